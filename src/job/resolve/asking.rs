//! Whom to ask and how hard.

use std::time::Duration;

use url::{Host, Url};

use super::{invalid, number};
use crate::job::cloud::{Cloud, CloudHosts};
use crate::job::error::PlanError;
use crate::job::file::{GraphFile, JobFile, LimitsFile, VersionFile};
use crate::job::plan::{ApiVersion, GraphPlan, LimitsPlan, RateLimit};
use crate::job::rate::{parse_duration, parse_rate, take_share};

pub(super) fn graph(
    file: &JobFile,
    cloud: Cloud,
    hosts: CloudHosts,
    jitter_seed: u64,
) -> Result<GraphPlan, PlanError> {
    let GraphFile {
        endpoint,
        version: asked,
        ..
    } = &file.graph;
    Ok(GraphPlan {
        endpoint: origin("graph.endpoint", endpoint.as_deref(), hosts.graph)?,
        version: version(*asked, cloud)?,
        concurrency: number("run.concurrency", file.run.concurrency, 16, 1..=256)? as usize,
        deadline: deadline(file.run.deadline.as_deref())?,
        limits: limits(&file.limits)?,
        jitter_seed,
    })
}

/// The id goes into the sign-in URL, so it can be nothing else than a GUID or a domain.
pub(super) fn tenant(id: Option<&str>) -> Result<String, PlanError> {
    let id = id.ok_or(PlanError::MissingKey {
        key: "tenant.id",
        example: "id = \"contoso.onmicrosoft.com\"",
    })?;
    let is_name = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    // common, organizations and consumers have no app tokens
    let is_one_tenant = id.contains(['-', '.']) && !id.starts_with(['-', '.']);
    if !(is_name && is_one_tenant) {
        return Err(invalid(
            "tenant.id",
            id,
            "the tenant's GUID or one of its domains",
        ));
    }
    Ok(id.to_ascii_lowercase())
}

/// A bare origin: tokens go there, so it is https unless it never leaves this machine.
pub(super) fn origin(
    key: &'static str,
    written: Option<&str>,
    default: &'static str,
) -> Result<Url, PlanError> {
    let text = written.unwrap_or(default);
    let refused = || {
        // what stands before an @ may be a password
        let shown = if text.contains('@') {
            "a URL with a user"
        } else {
            text
        };
        invalid(
            key,
            shown,
            "a host such as `https://graph.microsoft.com`: no path, no query, no user; plain http only for this machine",
        )
    };
    let url = Url::parse(text).map_err(|_| refused())?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(refused()),
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if is_safe && is_bare {
        Ok(url)
    } else {
        Err(refused())
    }
}

fn version(written: Option<VersionFile>, cloud: Cloud) -> Result<ApiVersion, PlanError> {
    match written.unwrap_or(VersionFile::V1) {
        VersionFile::V1 => Ok(ApiVersion::V1),
        VersionFile::Beta if cloud.has_virtual_events_and_beta() => Ok(ApiVersion::Beta),
        VersionFile::Beta => Err(PlanError::NotInCloud {
            key: "graph.version = \"beta\"",
            cloud: cloud.as_str(),
        }),
    }
}

fn deadline(written: Option<&str>) -> Result<Duration, PlanError> {
    let text = written.unwrap_or("6h");
    parse_duration(text)
        .ok()
        .filter(|deadline| !deadline.is_zero())
        .ok_or_else(|| invalid("run.deadline", text, "a duration such as `6h` or `90m`"))
}

/// The defaults are Microsoft's published limits, <https://learn.microsoft.com/graph/throttling-limits>; attendance has none there.
fn limits(file: &LimitsFile) -> Result<LimitsPlan, PlanError> {
    let share = file.share.unwrap_or(1.0);
    if !(share > 0.0 && share <= 1.0) {
        return Err(invalid(
            "limits.share",
            share,
            "a number above 0 and up to 1",
        ));
    }
    let limit = |key, written: &Option<String>, default: &str| -> Result<Option<RateLimit>, _> {
        let text = written.as_deref().unwrap_or(default);
        let rate = parse_rate(text)
            .map_err(|_| invalid(key, text, "requests/duration such as `30/1s`, or `none`"))?;
        Ok(rate.map(|rate| take_share(rate, share)))
    };
    Ok(LimitsPlan {
        attendance: limit("limits.attendance", &file.attendance, "30/1s")?,
        calendar: limit("limits.calendar", &file.calendar, "10000/10m")?,
        call_records: limit("limits.call_records", &file.call_records, "1500/20s")?,
        call_records_list: limit(
            "limits.call_records_list",
            &file.call_records_list,
            "40/20s",
        )?,
        virtual_events: limit("limits.virtual_events", &file.virtual_events, "750/30s")?,
        directory: limit("limits.directory", &file.directory, "300/1s")?,
    })
}
