//! The plan as it holds once Graph has answered: by the right time, and for whoever signed in.

use std::collections::BTreeMap;

use super::{RunControl, RunError, stoppable};
use crate::attendance::ReadingScope;
use crate::attendance::scope::Principal;
use crate::graph::GraphClient;
use crate::ids::stable_hash;
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::job::plan::{OrganizersPlan, RunPlan, SourcesPlan, UsersPlan};
use crate::time::UtcMicros;

/// A plan that knows what time it is and who asks.
#[derive(Debug)]
pub(super) struct Effective {
    /// Its start and the end of its interval are no later than Graph's time; its scope is that of the user who signed in.
    pub(super) plan: RunPlan,
    /// How far the clock of this machine is ahead of Graph's.
    pub(super) clock_ahead: i64,
    /// What the job reads of each source.
    pub(super) scopes: BTreeMap<Source, ReadingScope>,
    /// Whether an interval was asked for that is wholly to come, as Graph has it.
    pub(super) is_to_come: bool,
}

/// Reads what the first answers told.
///
/// A machine that is ahead of Graph would call days over that are not, and what has not happened `empty` and final. One that is behind
/// only does later what is due.
pub(super) async fn effective(
    plan: &RunPlan,
    control: &RunControl,
    graph: &GraphClient,
) -> Result<Effective, RunError> {
    let clock_ahead = stoppable(control, graph.clock_ahead()).await?;
    let claims = stoppable(control, graph.claims()).await?;
    let user = claims
        .map_err(RunError::sign_in)?
        .and_then(|claims| claims.object_id);
    let mut plan = plan.clone();
    plan.started_at = plan.started_at.plus(-clock_ahead);
    let now = plan.started_at;
    let asked = plan.interval;
    if clock_ahead > 0 {
        plan.interval = asked.and_then(|interval| until(&interval, now));
    }
    let is_to_come = asked.is_some() && plan.interval.is_none();
    if let Some(user) = user.as_deref().filter(|_| is_of_one_user(&plan.sources)) {
        // two people's jobs are written alike
        plan.rules.scope_hash = stable_hash([plan.rules.scope_hash.as_str(), user]);
    }
    let principal = Principal {
        app: plan.auth.client_id().map(str::to_owned),
        user: user.unwrap_or_else(|| stable_hash([plan.job_name.as_str()])),
    };
    let scopes = [Source::OnlineMeeting, Source::Webinar, Source::TownHall];
    let scope = |source| {
        let scope = ReadingScope::of(source, &plan.sources, &principal)?;
        Some((source, scope))
    };
    Ok(Effective {
        scopes: scopes.into_iter().filter_map(scope).collect(),
        plan,
        clock_ahead,
        is_to_come,
    })
}

/// The part of an interval that is over.
fn until(interval: &DataInterval, now: UtcMicros) -> Option<DataInterval> {
    DataInterval::new(interval.start(), interval.end().min(now))
}

fn is_of_one_user(sources: &SourcesPlan) -> bool {
    let meetings = sources.online_meetings.as_ref();
    let events = [&sources.webinars, &sources.town_halls];
    meetings.is_some_and(|plan| plan.users == UsersPlan::Me) || { events.into_iter().flatten() }
        .any(|plan| plan.organizers == OrganizersPlan::Me)
}
