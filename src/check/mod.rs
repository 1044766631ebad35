//! `teamsheet check`: whether a job can do what it is to do, one line each, without doing it.
//!
//! ```text
//! sign in ─► permissions in the token ─► one real request a source ─► access policy        warehouse, whatever the others say
//! ```
//!
//! It fetches no attendance, and leaves nothing in the warehouse.

mod doors;
mod permissions;
mod policy;

use std::error::Error;

use crate::graph::{FailureReason, GraphClient, GraphError};
use crate::ids::TenantId;
use crate::job::claims::TokenClaims;
use crate::job::command::filled;
use crate::job::plan::RunPlan;
use crate::time::UtcMicros;
use crate::warehouse::{Warehouse, WarehouseError};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// What.
    pub what: String,
    /// How it stands.
    pub state: CheckState,
    /// What was found, in a few words.
    pub detail: String,
    /// What to do about it; lines are separated by `\n`.
    pub remedy: Option<String>,
}

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// A run can go on from here.
    Pass,
    /// It cannot: credentials, permissions or policy.
    NotAllowed,
    /// It cannot: Graph or the sign-in host did not answer, which no permission mends.
    NotReached,
    /// It cannot: Graph or the sign-in host is not trusted by this machine, which no time mends.
    NotTrusted,
    /// It cannot: the warehouse.
    Warehouse,
    /// It could not be looked at, or there was nothing to look at; the detail says why.
    Skipped,
}

impl CheckState {
    /// `pass`, `fail` or `skip`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NotAllowed | Self::NotReached | Self::NotTrusted | Self::Warehouse => "fail",
            Self::Skipped => "skip",
        }
    }
}

impl CheckLine {
    fn pass(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            state: CheckState::Pass,
            detail: detail.into(),
            remedy: None,
        }
    }

    fn skip(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            state: CheckState::Skipped,
            ..Self::pass(what, detail)
        }
    }

    fn not_allowed(
        what: impl Into<String>,
        detail: impl Into<String>,
        remedy: Option<String>,
    ) -> Self {
        Self {
            state: CheckState::NotAllowed,
            remedy,
            ..Self::pass(what, detail)
        }
    }

    /// A request that failed.
    fn failed(what: impl Into<String>, error: &GraphError) -> Self {
        let detail = with_causes(error);
        if !is_not_reached(error) {
            return Self::not_allowed(what, detail, error.hint());
        }
        let state = if error.reason() == FailureReason::Tls {
            CheckState::NotTrusted
        } else {
            CheckState::NotReached
        };
        Self {
            state,
            remedy: error.hint(),
            ..Self::pass(what, format!("no matter of permissions: {detail}"))
        }
    }
}

/// Whether the answer is missing, not the permission.
fn is_not_reached(error: &GraphError) -> bool {
    error.is_transient() || error.reason() == FailureReason::Tls
}

/// Looks at everything that a run of the plan needs; never fails itself.
pub async fn check(plan: &RunPlan, clock: fn() -> UtcMicros) -> Vec<CheckLine> {
    let mut lines = Vec::new();
    let signed_in = match GraphClient::new(&plan.auth, &plan.graph, clock) {
        Ok(graph) => sign_in(plan, &graph).await.map(|found| (graph, found)),
        Err(error) => Err(error),
    };
    let tenant = match signed_in {
        Ok((graph, (tenant, claims))) => {
            let asked = lines_of_graph(plan, &graph, (&tenant, claims.as_ref()), clock()).await;
            // the first answers told what time it is
            lines.push(signed_in_line(plan, &graph, &tenant));
            lines.extend(asked);
            Some(tenant)
        }
        Err(error) => {
            lines.push(CheckLine::failed("sign-in", &error));
            let rest = ["permissions"].into_iter().chain(doors::names(plan));
            let why = if is_not_reached(&error) {
                "not asked: nobody could sign in"
            } else {
                "not signed in"
            };
            lines.extend(rest.map(|what| CheckLine::skip(what, why)));
            None
        }
    };
    lines.push(warehouse(plan, tenant).await);
    // ready to be pasted
    let remedies = lines.iter_mut().filter_map(|line| line.remedy.as_mut());
    remedies.for_each(|remedy| *remedy = filled(remedy, plan));
    lines
}

async fn sign_in(
    plan: &RunPlan,
    graph: &GraphClient,
) -> Result<(TenantId, Option<TokenClaims>), GraphError> {
    tracing::debug!(method = plan.auth.method().as_str(), "signing in");
    let tenant = graph.sign_in().await?;
    Ok((tenant, graph.claims().await?))
}

fn signed_in_line(plan: &RunPlan, graph: &GraphClient, tenant: &TenantId) -> CheckLine {
    let method = plan.auth.method().as_str();
    let skew = graph
        .clock_skew()
        .map(|skew| format!("; the clock of this machine is {skew} the server's: set it (NTP)"));
    CheckLine::pass(
        "sign-in",
        format!(
            "{method}, tenant {}{}",
            tenant.as_str(),
            skew.unwrap_or_default()
        ),
    )
}

async fn lines_of_graph(
    plan: &RunPlan,
    graph: &GraphClient,
    (tenant, claims): (&TenantId, Option<&TokenClaims>),
    now: UtcMicros,
) -> Vec<CheckLine> {
    let mut lines = vec![permissions::line(&plan.sources, &plan.auth, claims)];
    lines.extend(doors::lines(plan, graph, tenant, now).await);
    lines
}

async fn warehouse(plan: &RunPlan, tenant: Option<TenantId>) -> CheckLine {
    // the job file may name it by its id
    let written = Some(plan.auth.tenant.as_str()).filter(|tenant| is_object_id(tenant));
    let tenant = tenant.or_else(|| written.map(|id| TenantId::new(id.to_ascii_lowercase())));
    let online_meetings = plan.sources.online_meetings.as_ref();
    let reports = online_meetings.map(|meetings| meetings.reports.as_str());
    let plan = plan.warehouse.clone();
    let what = "warehouse";
    let shown = plan.place.to_string();
    let is_compared = tenant.is_some();
    let probing =
        tokio::task::spawn_blocking(move || Warehouse::probe(&plan, tenant.as_ref(), reports));
    let probing = probing.await;
    let failed = |detail: String, remedy| CheckLine {
        state: CheckState::Warehouse,
        remedy,
        ..CheckLine::pass(what, detail)
    };
    match probing {
        Ok(Ok(())) if is_compared => {
            CheckLine::pass(what, format!("`{shown}` can be published to"))
        }
        Ok(Ok(())) => CheckLine::pass(
            what,
            format!(
                "`{shown}` can be published to, if it is this tenant's: that is known once somebody can sign in"
            ),
        ),
        Ok(Err(error)) => failed(with_causes(&error), WarehouseError::hint(&error)),
        Err(error) => failed(with_causes(&error), None),
    }
}

/// Whether a name is an object id, which needs no look-up.
fn is_object_id(name: &str) -> bool {
    name.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// The error's sentence and those of its causes, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
