//! What a run does, with every default decided.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use super::auth::{ActsAs, AuthPlan, Credentials, IdentityService};
pub use super::file::{DiscoverBy, PublishBy, ReportsChoice};
use super::interval::DataInterval;
use super::place::WarehousePlace;
use crate::ids::InvocationId;
use crate::time::{UtcMicros, WarehouseTimezone};

/// One run or backfill, resolved from job file, flags, environment and clock.
#[derive(Debug, Clone)]
pub struct RunPlan {
    /// `run` or `backfill`.
    pub verb: Verb,
    /// The job's `name`, by default the job file's stem.
    pub job_name: String,
    /// The job file, for the commands that hints give; `None` where the job is in no file.
    pub job_file: Option<PathBuf>,
    /// This execution of the program.
    pub invocation_id: InvocationId,
    /// When the program started; every `checked_at` and `_fetched_at` of this run.
    pub started_at: UtcMicros,
    /// What was asked for. `None`: from the job's watermark to the end of yesterday, decided once the warehouse is open.
    pub interval: Option<DataInterval>,
    /// The end as it was typed, where it lies in the future: the interval ends at [`started_at`](Self::started_at) instead.
    pub future_end: Option<String>,
    /// How to sign in.
    pub auth: AuthPlan,
    /// Whom to ask and how hard.
    pub graph: GraphPlan,
    /// Which sources to discover.
    pub sources: SourcesPlan,
    /// Where to publish.
    pub warehouse: WarehousePlan,
    /// What a backfill does with sessions and reports that are already published.
    pub reprocess: Reprocess,
    /// The rules about late data, catching up and chunks.
    pub rules: RunRules,
    /// Where the numbers of the run go, for Prometheus.
    pub metrics: Option<PathBuf>,
}

/// The verb, as the `runs` table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The scheduled run.
    Run,
    /// An explicit range.
    Backfill,
}

impl Verb {
    /// `run` or `backfill`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Backfill => "backfill",
        }
    }
}

/// Which published things a backfill fetches again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reprocess {
    /// Sessions absent or not final, and listed reports not published or changed.
    Missing,
    /// Those with open gaps, or in the state `failed` or `forbidden`.
    Failed,
    /// Everything.
    All,
}

/// Whom to ask and how hard.
#[derive(Debug, Clone)]
pub struct GraphPlan {
    /// The Graph host. Only its origin ever gets a token.
    pub endpoint: Url,
    /// `v1.0` or `beta`.
    pub version: ApiVersion,
    /// Requests in flight.
    pub concurrency: usize,
    /// The whole run stops asking after this long.
    pub deadline: Duration,
    /// What each budget allows.
    pub limits: LimitsPlan,
    /// Seed of the jitter between tries.
    pub jitter_seed: u64,
}

/// The version segment of every path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersion {
    /// The stable version.
    V1,
    /// The preview version.
    Beta,
}

impl ApiVersion {
    /// `v1.0` or `beta`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        }
    }
}

/// A number of requests in a span of time; `None` in [`LimitsPlan`] means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many requests.
    pub requests: u32,
    /// In how long.
    pub per: Duration,
}

/// The budgets, with the job's share already taken.
#[derive(Debug, Clone)]
pub struct LimitsPlan {
    /// Online meeting look-ups, attendance reports and records: nothing is published, so this is a ceiling.
    pub attendance: Option<RateLimit>,
    /// Calendar views, per mailbox.
    pub calendar: Option<RateLimit>,
    /// Call records.
    pub call_records: Option<RateLimit>,
    /// The list of call records.
    pub call_records_list: Option<RateLimit>,
    /// Webinars and town halls, their sessions and those sessions' reports.
    pub virtual_events: Option<RateLimit>,
    /// Users and groups.
    pub directory: Option<RateLimit>,
}

/// The sources of the job; one that is `None` is left out.
#[derive(Debug, Clone)]
pub struct SourcesPlan {
    /// Online meetings.
    pub online_meetings: Option<OnlineMeetingsPlan>,
    /// Webinars.
    pub webinars: Option<VirtualEventsPlan>,
    /// Town halls.
    pub town_halls: Option<VirtualEventsPlan>,
}

/// How online meetings are found and what is taken of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlineMeetingsPlan {
    /// The ways of discovery, at least one.
    pub discover: BTreeSet<DiscoverBy>,
    /// Whose meetings; a listed meeting names its own organizer.
    pub users: UsersPlan,
    /// The meetings of [`DiscoverBy::Listed`], each once.
    pub listed: Vec<ListedMeeting>,
    /// Whether a meeting id is first guessed from a long join link, without a request.
    pub derive_ids: bool,
    /// Which reports of a meeting are taken.
    pub reports: ReportsChoice,
}

/// Whose meetings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsersPlan {
    /// Every enabled account of the tenant but guests.
    All,
    /// The user who signed in: every path is under `/me`.
    Me,
    /// These users: object ids or user principal names, in the job file or a CSV file.
    Listed(Vec<String>),
    /// The users of a group, nested groups included.
    Group(String),
}

/// How a user is named in paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserPath {
    /// `/users/{object id}`
    ById,
    /// `/me`: the user who signed in; with a user's token Graph answers under nobody else.
    Me,
}

impl UserPath {
    /// The segments of the path to a user.
    pub fn segments(self, id: &str) -> Vec<&str> {
        match self {
            Self::ById => vec!["users", id],
            Self::Me => vec!["me"],
        }
    }
}

impl UsersPlan {
    /// How these users are named in paths.
    pub fn path(&self) -> UserPath {
        match self {
            Self::Me => UserPath::Me,
            Self::All | Self::Listed(_) | Self::Group(_) => UserPath::ById,
        }
    }
}

/// A meeting that the job names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedMeeting {
    /// Object id or user principal name.
    pub organizer: String,
    /// What it is known by.
    pub meeting: MeetingReference,
}

/// What a listed meeting is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MeetingReference {
    /// The id of the online meeting.
    Id(String),
    /// The number that invitations print as its id, without the spaces.
    Number(String),
    /// Its join link.
    JoinUrl(String),
}

/// Which webinars or town halls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualEventsPlan {
    /// Whose.
    pub organizers: OrganizersPlan,
}

/// Whose webinars or town halls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizersPlan {
    /// The tenant's list.
    All,
    /// Those of the user who signed in.
    Me,
    /// Those of these users, by object id or user principal name.
    Listed(Vec<String>),
}

/// Where to publish.
#[derive(Debug, Clone)]
pub struct WarehousePlan {
    /// What holds the tables.
    pub place: WarehousePlace,
    /// Whose calendar days `event_date` follows.
    pub timezone: WarehouseTimezone,
    /// How a partition becomes visible.
    pub publish: PublishBy,
    /// Where private files go, on local disk; `None` is the warehouse's own folder, which an object store does not have.
    pub staging: Option<PathBuf>,
    /// Who publishes: what a lease in an object store names.
    pub holder: InvocationId,
    /// How long to wait for another run's lock.
    pub wait_lock: Duration,
}

/// Why something is missing, as the column `gaps.reason` has it: what `run.tolerate` may name.
pub const GAP_REASONS: [&str; 21] = [
    "forbidden",
    "gone",
    "unauthorized",
    "throttled",
    "server_error",
    "timeout",
    "transport",
    "tls",
    "bad_response",
    "refused_link",
    "paging_loop",
    "deadline",
    "bad_request",
    "too_large",
    "over_cap",
    "call_records_expired",
    "unreadable",
    "report_without_id",
    "id_mismatch",
    "no_usable_time",
    "no_join_url",
];

/// The rules about late data, catching up and chunks.
#[derive(Debug, Clone)]
pub struct RunRules {
    /// A run also takes listed, unpublished reports that started this many days before its interval.
    pub lookback_days: u32,
    /// Attendance is final this long after the scheduled end and the newest report's end.
    pub settle_hours: u32,
    /// What never settled becomes final after this many days.
    pub give_up_days: u32,
    /// How far back a run without an explicit interval goes.
    pub max_catch_up_days: u32,
    /// Calendar days a chunk.
    pub chunk_days: u32,
    /// Gap reasons that do not turn the exit code into 3.
    pub tolerate: BTreeSet<String>,
    /// Hash of what the job covers: tenant, sources, users. Runs of one scope share a watermark.
    pub scope_hash: String,
}
