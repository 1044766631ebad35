//! Which permissions the sources of a job need, and whether the token carries them.
//!
//! Source: <https://learn.microsoft.com/graph/permissions-reference>; a higher permission counts as well.

use std::collections::BTreeSet;

use super::{CheckLine, is_object_id};
use crate::job::claims::TokenClaims;
use crate::job::file::AuthMethod;
use crate::job::plan::{
    ActsAs, AuthPlan, DiscoverBy, OnlineMeetingsPlan, OrganizersPlan, SourcesPlan, UsersPlan,
};

/// The least permission first, then those that include it.
type Need = &'static [&'static str];

const APP_USERS: Need = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const APP_GROUPS: Need = &[
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const APP_CALENDARS: Need = &[
    "Calendars.ReadBasic.All",
    "Calendars.ReadBasic",
    "Calendars.Read",
    "Calendars.ReadWrite",
];
const APP_CALL_RECORDS: Need = &["CallRecords.Read.All"];
const APP_MEETINGS: Need = &["OnlineMeetings.Read.All", "OnlineMeetings.ReadWrite.All"];
const ARTIFACTS: Need = &["OnlineMeetingArtifact.Read.All"];
const APP_EVENTS: Need = &["VirtualEvent.Read.All"];
const USER_SELF: Need = &[
    "User.Read",
    "User.ReadWrite",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const USER_CALENDAR: Need = &[
    "Calendars.ReadBasic",
    "Calendars.Read",
    "Calendars.Read.Shared",
    "Calendars.ReadWrite",
    "Calendars.ReadWrite.Shared",
];
const USER_MEETINGS: Need = &["OnlineMeetings.Read", "OnlineMeetings.ReadWrite"];
const USER_EVENTS: Need = &["VirtualEvent.Read", "VirtualEvent.ReadWrite"];

/// Holds the token against what the sources need.
pub(super) fn line(
    sources: &SourcesPlan,
    auth: &AuthPlan,
    claims: Option<&TokenClaims>,
) -> CheckLine {
    let what = "permissions";
    let Some(claims) = claims else {
        return CheckLine::skip(what, "the token does not say which it carries");
    };
    let acts_as = claims.acts_as().or(auth.acts_as()).unwrap_or(ActsAs::App);
    let (held, kind) = match acts_as {
        ActsAs::App => (&claims.roles, "application"),
        ActsAs::User => (&claims.scopes, "delegated"),
    };
    let needs = needs(sources, acts_as);
    let missing: Vec<_> = needs
        .iter()
        .filter(|need| !need.iter().any(|name| holds(held, name)))
        .filter_map(|need| need.first().copied())
        .collect();
    if missing.is_empty() {
        let names: Vec<_> = needs
            .iter()
            .filter_map(|need| need.first().copied())
            .collect();
        return CheckLine::pass(what, format!("{} ({kind})", names.join(", ")));
    }
    let missing = missing.join(", ");
    let remedy = remedy(&missing, acts_as, auth.method());
    CheckLine::not_allowed(what, format!("missing: {missing}"), Some(remedy))
}

/// Where permissions are granted, and when a token carries them.
fn remedy(missing: &str, acts_as: ActsAs, method: AuthMethod) -> String {
    if method == AuthMethod::ManagedIdentity {
        return format!(
            "grant the managed identity {missing} in PowerShell; `teamsheet init --auth managed-identity` prints the commands. Azure may hand \
             out the old token for a day: restart the machine to have a new one sooner"
        );
    }
    let menu = match acts_as {
        ActsAs::App => "Application permissions), then Grant admin consent",
        ActsAs::User => "Delegated permissions), then consent",
    };
    let again = match method {
        AuthMethod::DeviceCode => "; then sign in again: `teamsheet login --job <job file>`",
        AuthMethod::AccessToken => "; then get a new token",
        AuthMethod::ClientSecret
        | AuthMethod::Certificate
        | AuthMethod::WorkloadIdentity
        | AuthMethod::ManagedIdentity => "",
    };
    format!("grant the app registration {missing} (API permissions, Microsoft Graph, {menu}{again}")
}

fn holds(held: &BTreeSet<String>, name: &str) -> bool {
    held.iter().any(|held| held.eq_ignore_ascii_case(name))
}

fn needs(sources: &SourcesPlan, acts_as: ActsAs) -> Vec<Need> {
    let mut needs = Vec::new();
    match acts_as {
        ActsAs::App if looks_up_users(sources) => needs.push(APP_USERS),
        ActsAs::App => {}
        // whose meetings and events they are is asked first
        ActsAs::User => needs.push(USER_SELF),
    }
    if let Some(plan) = &sources.online_meetings {
        let by = |way| plan.discover.contains(&way);
        match acts_as {
            ActsAs::App => {
                if matches!(plan.users, UsersPlan::Group(_)) && reads_users(plan) {
                    needs.push(APP_GROUPS);
                }
                if by(DiscoverBy::Calendar) {
                    needs.push(APP_CALENDARS);
                }
                if by(DiscoverBy::CallRecords) {
                    needs.push(APP_CALL_RECORDS);
                }
                needs.push(APP_MEETINGS);
            }
            ActsAs::User => {
                if by(DiscoverBy::Calendar) {
                    needs.push(USER_CALENDAR);
                }
                needs.push(USER_MEETINGS);
            }
        }
    }
    needs.push(ARTIFACTS);
    if sources.webinars.is_some() || sources.town_halls.is_some() {
        needs.push(match acts_as {
            ActsAs::App => APP_EVENTS,
            ActsAs::User => USER_EVENTS,
        });
    }
    needs
}

/// Whether the users that the job is about are listed one by one.
fn reads_users(plan: &OnlineMeetingsPlan) -> bool {
    let by = |way| plan.discover.contains(&way);
    by(DiscoverBy::Calendar) || (by(DiscoverBy::CallRecords) && plan.users != UsersPlan::All)
}

/// Whether anybody is asked for in the directory: users of the tenant or of a group, or somebody by another name than an object id.
fn looks_up_users(sources: &SourcesPlan) -> bool {
    let is_named = |names: &[String]| names.iter().any(|name| !is_object_id(name));
    let of_meetings = sources.online_meetings.as_ref().is_some_and(|plan| {
        let of_users = match &plan.users {
            UsersPlan::Listed(names) => is_named(names),
            UsersPlan::All | UsersPlan::Me | UsersPlan::Group(_) => true,
        };
        let mut listed = plan.listed.iter();
        (reads_users(plan) && of_users) || listed.any(|listed| !is_object_id(&listed.organizer))
    });
    let events = [&sources.webinars, &sources.town_halls];
    let mut events = events.into_iter().flatten();
    of_meetings
        || events.any(|plan| match &plan.organizers {
            OrganizersPlan::Listed(names) => is_named(names),
            OrganizersPlan::All | OrganizersPlan::Me => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CheckState;
    use crate::job::plan::{
        Credentials, IdentityService, ListedMeeting, MeetingReference, ReportsChoice,
        VirtualEventsPlan,
    };

    fn sources(users: UsersPlan, discover: &[DiscoverBy], has_events: bool) -> SourcesPlan {
        SourcesPlan {
            online_meetings: Some(OnlineMeetingsPlan {
                discover: discover.iter().copied().collect(),
                users,
                listed: Vec::new(),
                derive_ids: false,
                reports: ReportsChoice::All,
            }),
            webinars: has_events.then_some(VirtualEventsPlan {
                organizers: OrganizersPlan::All,
            }),
            town_halls: None,
        }
    }

    fn auth() -> AuthPlan {
        AuthPlan {
            tenant: "contoso.com".to_owned(),
            authority: "https://login.microsoftonline.com".parse().unwrap(),
            scope: String::new(),
            credentials: Credentials::ManagedIdentity {
                client_id: None,
                service: IdentityService::Imds("http://169.254.169.254".parse().unwrap()),
                resource: String::new(),
            },
        }
    }

    fn claims(roles: &str, scopes: &str) -> TokenClaims {
        let set = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        TokenClaims {
            roles: set(roles),
            scopes: set(scopes),
            ..TokenClaims::default()
        }
    }

    fn missing(sources: &SourcesPlan, claims: &TokenClaims) -> String {
        let line = line(sources, &auth(), Some(claims));
        let missing = line.detail.strip_prefix("missing: ").unwrap_or_default();
        assert_eq!(missing.is_empty(), line.state == CheckState::Pass);
        missing.to_owned()
    }

    #[test]
    fn each_source_needs_its_permissions() {
        use DiscoverBy::{Calendar, CallRecords, Listed};
        let group = || UsersPlan::Group("id".to_owned());
        let named =
            |name: &str| sources(UsersPlan::Listed(vec![name.to_owned()]), &[Calendar], false);
        let listed = |organizer: &str| {
            let mut sources = sources(UsersPlan::All, &[Listed], false);
            let plan = sources.online_meetings.as_mut().unwrap();
            plan.listed.push(ListedMeeting {
                organizer: organizer.to_owned(),
                meeting: MeetingReference::Number("123456".to_owned()),
            });
            sources
        };
        let events = |organizers| SourcesPlan {
            online_meetings: None,
            webinars: None,
            town_halls: Some(VirtualEventsPlan { organizers }),
        };
        let base = "User.Read.All, OnlineMeetings.Read.All, OnlineMeetingArtifact.Read.All";
        let calendar = "User.Read.All, Calendars.ReadBasic.All, OnlineMeetings.Read.All, OnlineMeetingArtifact.Read.All";
        for (sources, expected) in [
            (
                sources(UsersPlan::All, &[Calendar], false),
                calendar.to_owned(),
            ),
            (
                sources(UsersPlan::All, &[Listed], false),
                base.replace("User.Read.All, ", ""),
            ),
            (named("ada@contoso.com"), calendar.to_owned()),
            (
                named("1c9165ff-7e2b-4a57-9d1c-0d0e5a3b2c11"),
                calendar.replace("User.Read.All, ", ""),
            ),
            (listed("ada@contoso.com"), base.to_owned()),
            (
                listed("1c9165ff-7e2b-4a57-9d1c-0d0e5a3b2c11"),
                base.replace("User.Read.All, ", ""),
            ),
            (
                events(OrganizersPlan::Listed(vec!["ada@contoso.com".to_owned()])),
                "User.Read.All, OnlineMeetingArtifact.Read.All, VirtualEvent.Read.All".to_owned(),
            ),
            (
                events(OrganizersPlan::All),
                "OnlineMeetingArtifact.Read.All, VirtualEvent.Read.All".to_owned(),
            ),
            (
                sources(UsersPlan::All, &[Calendar], true),
                format!("{calendar}, VirtualEvent.Read.All"),
            ),
            (
                sources(group(), &[Calendar], false),
                calendar.replace("Calendars", "GroupMember.Read.All, Calendars"),
            ),
            (
                sources(UsersPlan::All, &[CallRecords], false),
                base.replace(
                    "User.Read.All, OnlineMeetings",
                    "CallRecords.Read.All, OnlineMeetings",
                ),
            ),
            (
                sources(group(), &[CallRecords], false),
                base.replace(
                    "OnlineMeetings",
                    "GroupMember.Read.All, CallRecords.Read.All, OnlineMeetings",
                ),
            ),
        ] {
            let none = TokenClaims {
                roles: ["Other".to_owned()].into(),
                ..TokenClaims::default()
            };
            assert_eq!(missing(&sources, &none), expected);
            assert_eq!(
                missing(&sources, &claims(&expected.replace(',', " "), "")),
                ""
            );
        }
    }

    #[test]
    fn higher_permissions_count_as_well() {
        let all = sources(
            UsersPlan::Group("id".to_owned()),
            &[DiscoverBy::Calendar],
            false,
        );
        let higher = "Directory.Read.All Calendars.ReadWrite OnlineMeetings.ReadWrite.All OnlineMeetingArtifact.Read.All";
        assert_eq!(missing(&all, &claims(higher, "")), "");
    }

    #[test]
    fn a_users_token_is_held_against_delegated_permissions() {
        let own = sources(UsersPlan::Me, &[DiscoverBy::Calendar], true);
        let least = "User.Read Calendars.ReadBasic OnlineMeetings.Read OnlineMeetingArtifact.Read.All VirtualEvent.Read";
        assert_eq!(missing(&own, &claims("", least)), "");
        // an application permission is none of a user's
        let line = line(
            &own,
            &auth(),
            Some(&claims("Calendars.ReadBasic.All", "User.Read")),
        );
        assert_eq!(line.state, CheckState::NotAllowed);
        assert!(
            line.remedy
                .unwrap()
                .contains("init --auth managed-identity")
        );
        let menus = [
            (
                AuthMethod::DeviceCode,
                "sign in again: `teamsheet login --job <job file>`",
            ),
            (
                AuthMethod::AccessToken,
                "Delegated permissions), then consent; then get a new token",
            ),
        ];
        for (method, said) in menus {
            assert!(remedy("X", ActsAs::User, method).contains(said));
        }
        assert!(remedy("X", ActsAs::App, AuthMethod::Certificate).contains("Grant admin consent"));
    }

    #[test]
    fn an_opaque_token_is_left_to_the_requests() {
        let all = sources(UsersPlan::All, &[DiscoverBy::Calendar], false);
        assert_eq!(line(&all, &auth(), None).state, CheckState::Skipped);
    }
}
