//! Which sources, whose, and the hash of both.

use crate::ids::stable_hash;
use crate::job::cloud::Cloud;
use crate::job::error::PlanError;
use crate::job::file::{
    DiscoverBy, OnlineMeetingsFile, ReportsChoice, SourcesFile, VirtualEventsFile,
};
use crate::job::plan::{
    OnlineMeetingsPlan, OrganizersPlan, SourcesPlan, UsersPlan, VirtualEventsPlan,
};
use crate::job::surroundings::Surroundings;
use crate::job::users::OrganizersFile;

pub(super) fn sources(
    file: &SourcesFile,
    cloud: Cloud,
    surroundings: &Surroundings<'_>,
) -> Result<SourcesPlan, PlanError> {
    let plan = SourcesPlan {
        online_meetings: file
            .online_meetings
            .as_ref()
            .map(|file| online_meetings(file, surroundings))
            .transpose()?,
        webinars: virtual_events(
            file.webinars.as_ref(),
            cloud,
            "sources.webinars",
            "sources.webinars.organizers",
        )?,
        town_halls: virtual_events(
            file.town_halls.as_ref(),
            cloud,
            "sources.town_halls",
            "sources.town_halls.organizers",
        )?,
    };
    if plan.online_meetings.is_none() && plan.webinars.is_none() && plan.town_halls.is_none() {
        return Err(PlanError::NoSource);
    }
    Ok(plan)
}

/// Runs of one scope share a watermark: the same tenant, sources and users, however they are ordered or written.
///
/// What an option at its default adds is nothing, so that a scope keeps its hash when options come to be.
pub(super) fn scope_hash(tenant: &str, sources: &SourcesPlan) -> String {
    let mut parts = vec!["tenant".to_owned(), tenant.to_owned()];
    if let Some(plan) = &sources.online_meetings {
        for way in &plan.discover {
            parts.push(format!("online_meetings by {}", way.as_str()));
        }
        match &plan.users {
            UsersPlan::All => parts.push("all".to_owned()),
            UsersPlan::Me => parts.push("me".to_owned()),
            UsersPlan::Group(id) => parts.extend(["group".to_owned(), id.to_lowercase()]),
            UsersPlan::Listed(users) => add_listed(&mut parts, users),
        }
    }
    for (name, plan) in [
        ("webinars", &sources.webinars),
        ("town_halls", &sources.town_halls),
    ] {
        let Some(plan) = plan else { continue };
        parts.push(name.to_owned());
        match &plan.organizers {
            OrganizersPlan::All => {}
            OrganizersPlan::Me => parts.push("me".to_owned()),
            OrganizersPlan::Listed(organizers) => add_listed(&mut parts, organizers),
        }
    }
    stable_hash(parts.iter().map(String::as_str))
}

fn add_listed(parts: &mut Vec<String>, users: &[String]) {
    let mut users: Vec<_> = users.iter().map(|user| user.to_lowercase()).collect();
    users.sort_unstable();
    parts.push("listed".to_owned());
    parts.push(users.len().to_string());
    parts.extend(users);
}

fn online_meetings(
    file: &OnlineMeetingsFile,
    surroundings: &Surroundings<'_>,
) -> Result<OnlineMeetingsPlan, PlanError> {
    let discover = file.discover.as_deref().unwrap_or(&[DiscoverBy::Calendar]);
    if discover.is_empty() || discover.iter().any(|by| *by != DiscoverBy::Calendar) {
        let names: Vec<_> = discover.iter().map(|by| by.as_str()).collect();
        return Err(PlanError::NotYet {
            key: "sources.online_meetings.discover",
            value: format!("{names:?}"),
            instead: "Use `discover = [\"calendar\"]`",
        });
    }
    for (key, value, is_asked, instead) in [
        (
            "sources.online_meetings.meetings",
            "…",
            file.meetings.is_some(),
            "Leave it out; today's way of discovery is `discover = [\"calendar\"]`",
        ),
        (
            "sources.online_meetings.derive_ids",
            "true",
            file.derive_ids == Some(true),
            "Use `derive_ids = false`: each meeting is looked up by its join URL",
        ),
        (
            "sources.online_meetings.reports",
            "\"latest\"",
            file.reports == Some(ReportsChoice::Latest),
            "Use `reports = \"all\"`",
        ),
    ] {
        if is_asked {
            return Err(PlanError::NotYet {
                key,
                value: value.to_owned(),
                instead,
            });
        }
    }
    Ok(OnlineMeetingsPlan {
        discover: discover.iter().copied().collect(),
        users: file
            .users
            .clone()
            .unwrap_or_default()
            .resolve(surroundings)?,
        listed: Vec::new(),
        derive_ids: false,
        reports: ReportsChoice::All,
    })
}

fn virtual_events(
    file: Option<&VirtualEventsFile>,
    cloud: Cloud,
    table: &'static str,
    key: &'static str,
) -> Result<Option<VirtualEventsPlan>, PlanError> {
    let Some(file) = file else {
        return Ok(None);
    };
    if !cloud.has_virtual_events_and_beta() {
        return Err(PlanError::NotInCloud {
            key: table,
            cloud: cloud.as_str(),
        });
    }
    let not_yet = |value: &str| PlanError::NotYet {
        key,
        value: value.to_owned(),
        instead: "Use `organizers = \"all\"`",
    };
    match file.organizers.clone().unwrap_or_default() {
        OrganizersFile::All => Ok(Some(VirtualEventsPlan {
            organizers: OrganizersPlan::All,
        })),
        OrganizersFile::Me => Err(not_yet("\"me\"")),
        OrganizersFile::Listed(_) => Err(not_yet("[…]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::plan::DiscoverBy;

    #[test]
    fn the_hash_of_a_scope_never_changes() {
        let all = VirtualEventsPlan {
            organizers: OrganizersPlan::All,
        };
        let by_calendar = |users| OnlineMeetingsPlan {
            discover: [DiscoverBy::Calendar].into(),
            users,
            listed: Vec::new(),
            derive_ids: false,
            reports: ReportsChoice::All,
        };
        let hash = |users: Option<UsersPlan>, webinars: bool, town_halls: bool| {
            let plan = SourcesPlan {
                online_meetings: users.map(by_calendar),
                webinars: webinars.then(|| all.clone()),
                town_halls: town_halls.then(|| all.clone()),
            };
            scope_hash("contoso.com", &plan)
        };
        let listed = UsersPlan::Listed(vec!["B".to_owned(), "a".to_owned()]);
        let scope = ["tenant", "contoso.com"];
        for (hash, parts) in [
            (
                hash(Some(UsersPlan::All), true, true),
                &[
                    "online_meetings by calendar",
                    "all",
                    "webinars",
                    "town_halls",
                ][..],
            ),
            (
                hash(Some(listed), false, false),
                &["online_meetings by calendar", "listed", "2", "a", "b"],
            ),
            (hash(None, true, false), &["webinars"]),
        ] {
            assert_eq!(hash, stable_hash(scope.iter().chain(parts).copied()));
        }
    }
}
