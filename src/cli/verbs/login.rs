//! `teamsheet login`: a user signs in once; later runs renew it.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::json;

use super::super::args::{JobArguments, OutputFormat};
use super::super::exit::ExitStatus;
use super::super::load::{load_sign_in, now};
use super::super::render::escape;
use super::super::{Context, Failure};
use super::run::failure;
use crate::graph::{DeviceCodePrompt, GraphClient, GraphError, SignedIn};
use crate::job::error::PlanError;
use crate::job::plan::Credentials;
use crate::pipeline::RunError;

/// Shows what the sign-in host wants the user to do, waits until it is done, and keeps the sign-in.
///
/// # Errors
/// [`Failure`], with its exit status: 2 where the job signs in by itself, 4 where the user or the host declines.
pub async fn login(flags: &JobArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let (auth, graph) = load_sign_in(&flags.job)?;
    if !matches!(auth.credentials, Credentials::DeviceCode { .. }) {
        return Err(PlanError::NothingToLogInTo {
            method: auth.method().as_str(),
        }
        .into());
    }
    let failed = |error: GraphError| {
        let source = Arc::new(error);
        failure(RunError::SignIn { source }, ExitStatus::Interrupted).for_job(Some(&flags.job))
    };
    let format = context.global.format;
    let graph = GraphClient::new(&auth, &graph, now).map_err(failed)?;
    let mut shown = Ok(());
    let signed_in = graph
        .log_in(|prompt| shown = show(&mut io::stdout().lock(), format, prompt))
        .await
        .map_err(failed)?;
    shown
        .and_then(|()| tell(&mut io::stdout().lock(), format, &signed_in))
        .or_else(Failure::unless_pipe_closed)?;
    Ok(ExitStatus::Published)
}

fn show(out: &mut impl Write, format: OutputFormat, prompt: &DeviceCodePrompt) -> io::Result<()> {
    match format {
        OutputFormat::Text => writeln!(out, "{}", escape(&prompt.message))?,
        OutputFormat::Json => {
            let line = json!({
                "message": prompt.message,
                "verification_uri": prompt.verification_uri,
                "user_code": prompt.user_code,
                "expires_in": prompt.expires_in.as_secs(),
            });
            writeln!(out, "{line}")?;
        }
    }
    // it must be seen before it is waited for
    out.flush()
}

fn tell(out: &mut impl Write, format: OutputFormat, signed_in: &SignedIn) -> io::Result<()> {
    let (tenant, kept_in) = (signed_in.tenant.as_str(), signed_in.kept_in.display());
    match format {
        OutputFormat::Text => writeln!(
            out,
            "Signed in to the tenant {}; `{kept_in}` keeps it, and later runs renew it from there",
            escape(tenant)
        )?,
        OutputFormat::Json => {
            let line = json!({"tenant_id": tenant, "kept_in": kept_in.to_string()});
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}
