//! Which sources, whose, and the hash of both.

use crate::ids::stable_hash;
use crate::job::cloud::Cloud;
use crate::job::error::PlanError;
use crate::job::file::{
    DiscoverBy, OnlineMeetingsFile, ReportsChoice, SourcesFile, VirtualEventsFile,
};
use crate::job::plan::{SourcesPlan, UsersPlan};
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
    if plan.online_meetings.is_none() && !plan.webinars && !plan.town_halls {
        return Err(PlanError::NoSource);
    }
    Ok(plan)
}

/// Runs of one scope share a watermark: the same tenant, sources and users, however they are ordered or written.
pub(super) fn scope_hash(tenant: &str, sources: &SourcesPlan) -> String {
    let mut parts = vec!["tenant".to_owned(), tenant.to_owned()];
    if let Some(users) = &sources.online_meetings {
        parts.push("online_meetings by calendar".to_owned());
        match users {
            UsersPlan::All => parts.push("all".to_owned()),
            UsersPlan::Group(id) => parts.extend(["group".to_owned(), id.to_lowercase()]),
            UsersPlan::Listed(users) => {
                let mut users: Vec<_> = users.iter().map(|user| user.to_lowercase()).collect();
                users.sort_unstable();
                parts.push("listed".to_owned());
                parts.push(users.len().to_string());
                parts.extend(users);
            }
        }
    }
    if sources.webinars {
        parts.push("webinars".to_owned());
    }
    if sources.town_halls {
        parts.push("town_halls".to_owned());
    }
    stable_hash(parts.iter().map(String::as_str))
}

fn online_meetings(
    file: &OnlineMeetingsFile,
    surroundings: &Surroundings<'_>,
) -> Result<UsersPlan, PlanError> {
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
    file.users.clone().unwrap_or_default().resolve(surroundings)
}

fn virtual_events(
    file: Option<&VirtualEventsFile>,
    cloud: Cloud,
    table: &'static str,
    key: &'static str,
) -> Result<bool, PlanError> {
    let Some(file) = file else {
        return Ok(false);
    };
    if !cloud.has_virtual_events_and_beta() {
        return Err(PlanError::NotInCloud {
            key: table,
            cloud: cloud.as_str(),
        });
    }
    match file.organizers.clone().unwrap_or_default() {
        OrganizersFile::All => Ok(true),
        OrganizersFile::Listed(_) => Err(PlanError::NotYet {
            key,
            value: "[…]".to_owned(),
            instead: "Use `organizers = \"all\"`",
        }),
    }
}
