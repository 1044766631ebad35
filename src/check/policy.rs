//! The access policy: tried on organizers by looking up a meeting of theirs, and its reports where there is one.

use super::CheckLine;
use crate::discover::LookUp;
use crate::graph::{Cause, FailureReason, GraphClient, GraphError, RequestKind};
use crate::ids::OrganizerId;
use crate::job::plan::{ActsAs, MeetingReference, OnlineMeetingsPlan, ReportsChoice, RunPlan};

pub(super) const POLICY: &str = "access policy";
/// Where an organizer has had no meeting: nobody's, so that no meeting is found, but the policy is looked at.
const NOBODYS_LINK: &str =
    "https://teams.microsoft.com/l/meetup-join/19%3ameeting_dGVhbXNoZWV0LWNoZWNr%40thread.v2/0";

/// An organizer whom the policy is tried on.
pub(super) struct Organizer {
    pub(super) id: String,
    /// A meeting of the own, where one is known.
    meeting: Option<MeetingReference>,
    /// What that came to, where it was done before.
    pub(super) tried: Option<Result<Tried, GraphError>>,
}

/// How far a look-up came; no meeting to find is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    NotFound,
    Found,
    /// Its reports could be read too.
    Reports,
}

impl Organizer {
    pub(super) fn new(id: String, meeting: Option<MeetingReference>) -> Self {
        Self {
            id,
            meeting,
            tried: None,
        }
    }
}

/// Looks a meeting up under each organizer.
pub(super) async fn line(
    graph: &GraphClient,
    plan: &RunPlan,
    meetings: &OnlineMeetingsPlan,
    organizers: Vec<Organizer>,
) -> CheckLine {
    let is_own = plan.auth.acts_as() == Some(ActsAs::User);
    let not_needed = "not needed: these are the user's own meetings";
    if organizers.is_empty() {
        let why = if is_own {
            not_needed
        } else {
            "no organizer is known to try it on"
        };
        return CheckLine::skip(POLICY, why);
    }
    let asked = organizers.len();
    let (mut covered, mut reports, mut uncovered) = (0, 0, None);
    for mut organizer in organizers {
        let tried = match organizer.tried.take() {
            Some(tried) => tried,
            None => look_up(graph, meetings, &organizer).await,
        };
        match tried {
            Ok(tried) => {
                covered += 1;
                reports += usize::from(tried == Tried::Reports);
            }
            Err(error) if is_uncovered(&error) && !is_own => uncovered = Some(error),
            Err(error) => return CheckLine::failed(POLICY, &error),
        }
    }
    if is_own {
        return CheckLine::pass(POLICY, not_needed);
    }
    match uncovered {
        Some(error) if covered == 0 => CheckLine::failed(POLICY, &error),
        uncovered => CheckLine {
            remedy: uncovered.and_then(|error| error.hint()),
            ..CheckLine::pass(
                POLICY,
                format!(
                    "covers {covered} of {asked} organizers that were asked; reports of {reports} read"
                ),
            )
        },
    }
}

/// Whether the policy is what refuses it.
pub(super) fn is_uncovered(error: &GraphError) -> bool {
    matches!(
        error.cause(),
        Cause::NoApplicationAccessPolicy | Cause::NotOrganizer
    )
}

/// Looks up the organizer's meeting as a run does, and lists its reports.
///
/// # Errors
/// [`GraphError`] of a request that was refused or failed.
pub(super) async fn look_up(
    graph: &GraphClient,
    plan: &OnlineMeetingsPlan,
    organizer: &Organizer,
) -> Result<Tried, GraphError> {
    let user_path = plan.users.path();
    let id = OrganizerId::new(organizer.id.as_str());
    let look_up = LookUp {
        graph,
        user_path,
        organizer: &id,
    };
    let found = match &organizer.meeting {
        None => look_up.by_link(NOBODYS_LINK).await,
        Some(MeetingReference::JoinUrl(link)) => look_up.by_link(link).await,
        Some(MeetingReference::Id(id)) => look_up.by_id(id).await,
        Some(MeetingReference::Number(digits)) => look_up.by_number(digits).await,
    };
    let found = match found {
        Ok(found) if found.is_of_channel => return Ok(Tried::Found),
        Ok(found) => found,
        // it was looked for, so it may be looked for
        Err(error) if is_only_not_found(&error, organizer) => return Ok(Tried::NotFound),
        Err(error) => return Err(error),
    };
    let reports = match plan.reports {
        ReportsChoice::All => "attendanceReports",
        ReportsChoice::Latest => "meetingAttendanceReport",
    };
    let mut path = user_path.segments(id.as_str());
    path.extend(["onlineMeetings", found.id.as_str(), reports]);
    let request = graph.request(RequestKind::ListReports, graph.url(&path));
    match graph.get(&request).await {
        Ok(_) => Ok(Tried::Reports),
        // it was not held, or is gone since
        Err(error) if error.reason() == FailureReason::Gone => Ok(Tried::Found),
        Err(error) => Err(error),
    }
}

fn is_only_not_found(error: &GraphError, organizer: &Organizer) -> bool {
    let is_nobodys = organizer.meeting.is_none();
    let (reason, cause) = (error.reason(), error.cause());
    reason == FailureReason::Gone
        || (reason == FailureReason::BadRequest && (cause == Cause::JoinUrlUnusable || is_nobodys))
        // the same words for a policy that does not cover the organizer and for a meeting of nobody
        || (cause == Cause::NotOrganizer && is_nobodys)
}
