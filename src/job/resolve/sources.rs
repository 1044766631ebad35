//! Which sources, whose, and the hash of both.

use std::collections::BTreeSet;

use crate::ids::stable_hash;
use crate::job::cloud::Cloud;
use crate::job::error::PlanError;
use crate::job::file::{OnlineMeetingsFile, SourcesFile, VirtualEventsFile};
use crate::job::meetings;
use crate::job::plan::{
    ApiVersion, DiscoverBy, MeetingReference, OnlineMeetingsPlan, OrganizersPlan, ReportsChoice,
    SourcesPlan, UsersPlan, VirtualEventsPlan,
};
use crate::job::surroundings::Surroundings;
use crate::job::users::{self, OrganizersFile};

pub(super) fn sources(
    file: &SourcesFile,
    cloud: Cloud,
    surroundings: &Surroundings<'_>,
) -> Result<SourcesPlan, PlanError> {
    let plan = SourcesPlan {
        online_meetings: file
            .online_meetings
            .as_ref()
            .map(|file| online_meetings(file, cloud, surroundings))
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

/// The newest report by itself is a path of the preview version only.
pub(super) fn check_version(sources: &SourcesPlan, version: ApiVersion) -> Result<(), PlanError> {
    let is_latest = sources
        .online_meetings
        .as_ref()
        .is_some_and(|plan| plan.reports == ReportsChoice::Latest);
    if is_latest && version != ApiVersion::Beta {
        return Err(PlanError::InvalidValue {
            key: "sources.online_meetings.reports",
            value: "\"latest\" with `graph.version = \"v1.0\"`".to_owned(),
            expected: "`reports = \"all\"`, or `version = \"beta\"` under `[graph]`: the path is deprecated and exists there only",
        });
    }
    Ok(())
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
        let mut listed: Vec<_> = plan
            .listed
            .iter()
            .map(|listed| {
                let reference = match &listed.meeting {
                    MeetingReference::Id(text)
                    | MeetingReference::Number(text)
                    | MeetingReference::JoinUrl(text) => text,
                };
                format!("{} {reference}", listed.organizer.to_lowercase())
            })
            .collect();
        if !listed.is_empty() {
            listed.sort_unstable();
            parts.push("meetings".to_owned());
            parts.push(listed.len().to_string());
            parts.extend(listed);
        }
        if plan.reports == ReportsChoice::Latest {
            parts.push("latest reports".to_owned());
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
    cloud: Cloud,
    surroundings: &Surroundings<'_>,
) -> Result<OnlineMeetingsPlan, PlanError> {
    let discover: BTreeSet<DiscoverBy> = match &file.discover {
        Some(ways) => ways.iter().copied().collect(),
        None => [DiscoverBy::Calendar].into(),
    };
    if discover.is_empty() {
        return Err(PlanError::InvalidValue {
            key: "sources.online_meetings.discover",
            value: "[]".to_owned(),
            expected: "one or several of `calendar`, `call-records` and `listed`",
        });
    }
    let users = file
        .users
        .clone()
        .unwrap_or_default()
        .resolve(surroundings)?;
    let listed = match (&file.meetings, discover.contains(&DiscoverBy::Listed)) {
        (Some(meetings), true) => meetings::read(&meetings.file, surroundings)?,
        (None, false) => Vec::new(),
        (None, true) => {
            return Err(PlanError::MissingKey {
                key: "sources.online_meetings.meetings",
                example: "meetings = { file = \"meetings.csv\" }",
            });
        }
        (Some(_), false) => {
            return Err(PlanError::InvalidValue {
                key: "sources.online_meetings.meetings",
                value: "a list that no way of discovery reads".to_owned(),
                expected: "`discover = [\"listed\"]` with it, alone or beside other ways",
            });
        }
    };
    // its path is one of beta
    if file.reports == Some(ReportsChoice::Latest) && !cloud.has_virtual_events_and_beta() {
        return Err(PlanError::NotInCloud {
            key: "sources.online_meetings.reports = \"latest\"",
            cloud: cloud.as_str(),
        });
    }
    Ok(OnlineMeetingsPlan {
        discover,
        users,
        listed,
        derive_ids: file.derive_ids.unwrap_or(false),
        reports: file.reports.unwrap_or(ReportsChoice::All),
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
    let organizers = match file.organizers.clone().unwrap_or_default() {
        OrganizersFile::All => OrganizersPlan::All,
        OrganizersFile::Me => OrganizersPlan::Me,
        OrganizersFile::Listed(organizers) => {
            OrganizersPlan::Listed(users::organizers(organizers, key)?)
        }
    };
    Ok(Some(VirtualEventsPlan { organizers }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
