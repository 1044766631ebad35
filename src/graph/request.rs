//! One GET: what it is for, which budget pays for it, and where it goes.

use std::borrow::Cow;

/// How a URL says how many items a page holds, and how the header `Prefer` does.
const TOP: &str = "$top=";
pub(super) const PAGE_SIZE: &str = "odata.maxpagesize=";
/// Where nobody has said how many, and they were too many.
const LARGEST_OF_OURS: u32 = 200;
/// A page that cannot be had with so few items will not be had with fewer.
const SMALLEST: u32 = 20;

/// A fifth.
fn smaller(size: u32) -> Option<u32> {
    Some(size / 5).filter(|size| *size >= SMALLEST)
}

/// What a request is for; `runs.requests_by_kind` counts by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// A token.
    Token,
    /// Users, or one of them.
    Users,
    /// Members of a group.
    GroupMembers,
    /// A calendar view.
    CalendarView,
    /// The call records of the tenant.
    ListCallRecords,
    /// One call record.
    GetCallRecord,
    /// An online meeting by its join link.
    FindMeeting,
    /// An online meeting by its id.
    GetMeeting,
    /// Webinars of the tenant.
    ListWebinars,
    /// Town halls of the tenant.
    ListTownHalls,
    /// Sessions of a virtual event.
    ListSessions,
    /// One session of a virtual event.
    GetSession,
    /// Reports of a meeting or session.
    ListReports,
    /// One report.
    GetReport,
    /// Records of a report.
    ListRecords,
}

impl RequestKind {
    /// Every kind.
    pub(super) const ALL: [Self; 15] = [
        Self::Token,
        Self::Users,
        Self::GroupMembers,
        Self::CalendarView,
        Self::ListCallRecords,
        Self::GetCallRecord,
        Self::FindMeeting,
        Self::GetMeeting,
        Self::ListWebinars,
        Self::ListTownHalls,
        Self::ListSessions,
        Self::GetSession,
        Self::ListReports,
        Self::GetReport,
        Self::ListRecords,
    ];

    /// Every kind there is.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// The name in `requests_by_kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Users => "users",
            Self::GroupMembers => "group_members",
            Self::CalendarView => "calendar_view",
            Self::ListCallRecords => "list_call_records",
            Self::GetCallRecord => "get_call_record",
            Self::FindMeeting => "find_meeting",
            Self::GetMeeting => "get_meeting",
            Self::ListWebinars => "list_webinars",
            Self::ListTownHalls => "list_town_halls",
            Self::ListSessions => "list_sessions",
            Self::GetSession => "get_session",
            Self::ListReports => "list_reports",
            Self::GetReport => "get_report",
            Self::ListRecords => "list_records",
        }
    }

    /// The budget it is paid from where the request does not say another.
    pub fn default_budget(self) -> Budget {
        match self {
            Self::Token | Self::Users | Self::GroupMembers => Budget::Directory,
            Self::CalendarView => Budget::Calendar,
            Self::ListCallRecords => Budget::CallRecordsList,
            Self::GetCallRecord => Budget::CallRecords,
            Self::FindMeeting
            | Self::GetMeeting
            | Self::ListReports
            | Self::GetReport
            | Self::ListRecords => Budget::Attendance,
            Self::ListWebinars | Self::ListTownHalls | Self::ListSessions | Self::GetSession => {
                Budget::VirtualEvents
            }
        }
    }
}

/// What a published limit is shared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Budget {
    /// Online meetings and their reports.
    Attendance,
    /// Calendar views, one budget a mailbox.
    Calendar,
    /// Single call records.
    CallRecords,
    /// The list of call records.
    CallRecordsList,
    /// Webinars and town halls, their sessions and those sessions' reports.
    VirtualEvents,
    /// Users and groups.
    Directory,
}

/// Whose budget pays for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) budget: Budget,
    /// The mailbox, where each has a budget of its own.
    pub(super) mailbox: Option<&'a str>,
}

impl Account<'_> {
    /// Tokens have no published limit; they are asked for as rarely as users.
    pub(super) const TOKEN: Self = Account {
        budget: Budget::Directory,
        mailbox: None,
    };
}

/// A GET that has not been sent.
#[derive(Debug, Clone)]
pub struct GraphRequest {
    pub(super) kind: RequestKind,
    pub(super) budget: Budget,
    pub(super) mailbox: Option<String>,
    /// What goes into the header `Prefer`; next links do not remember it, so it goes with every page.
    pub(super) prefer: Option<&'static str>,
    /// How many items a page should hold, where that is said with `Prefer`.
    pub(super) page_size: Option<u32>,
    /// Whether less can be asked for where all of it does not come in time: then that is done soon.
    pub(super) may_shrink: bool,
    /// As it goes out, byte for byte, but for what no request line may hold, such as spaces, which become `%20` and so on.
    pub(super) url: String,
}

impl GraphRequest {
    pub(super) fn new(kind: RequestKind, url: String) -> Self {
        Self {
            kind,
            budget: kind.default_budget(),
            mailbox: None,
            prefer: None,
            page_size: None,
            may_shrink: false,
            url,
        }
    }

    /// The mailbox whose budget pays.
    #[must_use]
    pub fn mailbox(mut self, id: &str) -> Self {
        self.mailbox = Some(id.to_owned());
        self
    }

    /// What the answer should be like, as the header `Prefer` says it.
    #[must_use]
    pub fn prefer(mut self, preference: &'static str) -> Self {
        self.prefer = Some(preference);
        self
    }

    /// Another budget than the kind's own.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The same for another purpose.
    #[must_use]
    pub fn with_kind(&self, kind: RequestKind) -> Self {
        Self {
            kind,
            ..self.clone()
        }
    }

    /// Says that less can be asked for where the answer is too large to come in time.
    #[must_use]
    pub fn may_shrink(mut self) -> Self {
        self.may_shrink = true;
        self
    }

    /// What the answer should be like, as the header `Prefer` says it.
    pub(super) fn preference(&self) -> Option<Cow<'static, str>> {
        match self.page_size {
            Some(size) => Some(Cow::Owned(format!("{PAGE_SIZE}{size}"))),
            None => self.prefer.map(Cow::Borrowed),
        }
    }

    /// The same for smaller pages; `None` where they are small, or nothing says how large they are.
    pub(super) fn smaller(&self) -> Option<Self> {
        if let Some((before, top)) = self.url.split_once(TOP) {
            let digits = top.bytes().take_while(u8::is_ascii_digit).count();
            let (top, after) = top.split_at_checked(digits)?;
            let smaller = smaller(top.parse().ok()?)?;
            return Some(self.with_url(&format!("{before}{TOP}{smaller}{after}")));
        }
        let said = self
            .prefer
            .and_then(|prefer| prefer.strip_prefix(PAGE_SIZE));
        let size = match (self.page_size, said, self.kind) {
            (Some(size), _, _) => smaller(size)?,
            (None, Some(size), _) => smaller(size.parse().ok()?)?,
            // how large Graph makes these by itself is not documented
            (None, None, RequestKind::ListRecords) => LARGEST_OF_OURS,
            (None, None, _) => return None,
        };
        Some(Self {
            page_size: Some(size),
            ..self.clone()
        })
    }

    pub(super) fn account(&self) -> Account<'_> {
        Account {
            budget: self.budget,
            mailbox: self.mailbox.as_deref(),
        }
    }

    pub(super) fn with_url(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }
}
