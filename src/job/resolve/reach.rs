//! What a sign-in can reach: an app the whole tenant, a user only what is the user's own.

use crate::job::error::PlanError;
use crate::job::file::AuthMethod;
use crate::job::plan::{
    ActsAs, AuthPlan, DiscoverBy, OrganizersPlan, SourcesPlan, UsersPlan, VirtualEventsPlan,
};

const USERS: &str = "sources.online_meetings.users";

/// Refuses sources that the sign-in cannot have; of a ready token that does not say whose it is, nothing is known.
pub(super) fn check(sources: &SourcesPlan, auth: &AuthPlan) -> Result<(), PlanError> {
    match auth.acts_as() {
        Some(ActsAs::User) => of_a_user(sources, auth.method()),
        Some(ActsAs::App) => of_an_app(sources, auth.method()),
        None => Ok(()),
    }
}

/// Graph has no delegated permission for a tenant's lists and call records, and other people's meetings answer 403.
fn of_a_user(sources: &SourcesPlan, method: AuthMethod) -> Result<(), PlanError> {
    let refuse = |key, value, instead| {
        Err(PlanError::NotOfSignIn {
            key,
            value,
            method: method.as_str(),
            instead,
        })
    };
    if let Some(plan) = &sources.online_meetings {
        let instead = "Use `users = \"me\"`: a user reaches only what is the user's own; an app reaches the tenant (`method = \"client-secret\"`)";
        match &plan.users {
            UsersPlan::Me => {}
            UsersPlan::All => return refuse(USERS, "\"all\"", instead),
            UsersPlan::Listed(_) => return refuse(USERS, "[…]", instead),
            UsersPlan::Group(_) => return refuse(USERS, "{ group = … }", instead),
        }
        if plan.discover.contains(&DiscoverBy::CallRecords) {
            return refuse(
                "sources.online_meetings.discover",
                "[\"call-records\"]",
                "Use `discover = [\"calendar\"]`: only an app may list call records",
            );
        }
    }
    for (key, plan) in virtual_events(sources) {
        let value = match &plan.organizers {
            OrganizersPlan::Me => continue,
            OrganizersPlan::All => "\"all\"",
            OrganizersPlan::Listed(_) => "[…]",
        };
        return refuse(
            key,
            value,
            "Use `organizers = \"me\"`: a user reaches only what is the user's own; an app reaches the tenant (`method = \"client-secret\"`)",
        );
    }
    Ok(())
}

fn of_an_app(sources: &SourcesPlan, method: AuthMethod) -> Result<(), PlanError> {
    let refuse = |key, instead| {
        Err(PlanError::NotOfSignIn {
            key,
            value: "\"me\"",
            method: method.as_str(),
            instead,
        })
    };
    let users = sources.online_meetings.as_ref().map(|plan| &plan.users);
    if users == Some(&UsersPlan::Me) {
        return refuse(
            USERS,
            "Use `\"all\"`, a list, `{ group = \"id\" }` or `{ file = \"users.csv\" }`; or sign in as a user (`method = \"device-code\"`)",
        );
    }
    for (key, plan) in virtual_events(sources) {
        if plan.organizers == OrganizersPlan::Me {
            return refuse(
                key,
                "Use `\"all\"` or a list of object ids; or sign in as a user (`method = \"device-code\"`)",
            );
        }
    }
    Ok(())
}

fn virtual_events(
    sources: &SourcesPlan,
) -> impl Iterator<Item = (&'static str, &VirtualEventsPlan)> {
    [
        ("sources.webinars.organizers", &sources.webinars),
        ("sources.town_halls.organizers", &sources.town_halls),
    ]
    .into_iter()
    .filter_map(|(key, plan)| Some((key, plan.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use secrecy::SecretString;

    use super::*;
    use crate::job::plan::{Credentials, OnlineMeetingsPlan, ReportsChoice};

    fn auth(credentials: Credentials) -> AuthPlan {
        AuthPlan {
            tenant: "contoso.com".to_owned(),
            authority: "https://login.microsoftonline.com".parse().unwrap(),
            scope: String::new(),
            credentials,
        }
    }

    fn user() -> AuthPlan {
        auth(Credentials::DeviceCode {
            client_id: "app".to_owned(),
            state_folder: PathBuf::new(),
        })
    }

    fn app() -> AuthPlan {
        auth(Credentials::ClientSecret {
            client_id: "app".to_owned(),
            client_secret: SecretString::from("hunter2"),
        })
    }

    fn sources(
        users: Option<UsersPlan>,
        discover: DiscoverBy,
        organizers: Option<OrganizersPlan>,
    ) -> SourcesPlan {
        SourcesPlan {
            online_meetings: users.map(|users| OnlineMeetingsPlan {
                discover: [discover].into(),
                users,
                listed: Vec::new(),
                derive_ids: false,
                reports: ReportsChoice::All,
            }),
            webinars: None,
            town_halls: organizers.map(|organizers| VirtualEventsPlan { organizers }),
        }
    }

    #[test]
    fn a_user_reaches_the_own_and_an_app_everybodys() {
        use DiscoverBy::{Calendar, CallRecords, Listed};
        let list = || vec!["id".to_owned()];
        let cases = [
            (Some(UsersPlan::Me), Calendar, None, "user"),
            (
                Some(UsersPlan::Me),
                Listed,
                Some(OrganizersPlan::Me),
                "user",
            ),
            (Some(UsersPlan::Me), CallRecords, None, "nobody"),
            (Some(UsersPlan::All), Calendar, None, "app"),
            (Some(UsersPlan::All), CallRecords, None, "app"),
            (Some(UsersPlan::Listed(list())), Calendar, None, "app"),
            (
                Some(UsersPlan::Group("id".to_owned())),
                Calendar,
                None,
                "app",
            ),
            (None, Calendar, Some(OrganizersPlan::All), "app"),
            (None, Calendar, Some(OrganizersPlan::Listed(list())), "app"),
            (None, Calendar, Some(OrganizersPlan::Me), "user"),
            (
                Some(UsersPlan::Me),
                Calendar,
                Some(OrganizersPlan::All),
                "nobody",
            ),
        ];
        for (users, discover, organizers, who) in cases {
            let sources = sources(users, discover, organizers);
            assert_eq!(
                check(&sources, &user()).is_ok(),
                who == "user",
                "{sources:?}"
            );
            assert_eq!(check(&sources, &app()).is_ok(), who == "app", "{sources:?}");
            // a token that does not say whose it is may be either's
            let opaque = auth(Credentials::AccessToken {
                access_token: SecretString::from("opaque"),
            });
            check(&sources, &opaque).unwrap();
        }
    }

    #[test]
    fn the_refusal_names_the_key_and_the_way_out() {
        let told = |sources, auth: &AuthPlan| {
            let error = check(&sources, auth).unwrap_err();
            format!("error: {error}\nhint: {}", error.hint())
        };
        let all = sources(Some(UsersPlan::All), DiscoverBy::Calendar, None);
        insta::assert_snapshot!(told(all, &user()), @r#"
        error: `sources.online_meetings.users = "all"` does not go with `auth.method = "device-code"`
        hint: Use `users = "me"`: a user reaches only what is the user's own; an app reaches the tenant (`method = "client-secret"`)
        "#);
        let own = sources(None, DiscoverBy::Calendar, Some(OrganizersPlan::Me));
        insta::assert_snapshot!(told(own, &app()), @r#"
        error: `sources.town_halls.organizers = "me"` does not go with `auth.method = "client-secret"`
        hint: Use `"all"` or a list of object ids; or sign in as a user (`method = "device-code"`)
        "#);
    }
}
