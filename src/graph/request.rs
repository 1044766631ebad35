//! One GET: what it is for, which budget pays for it, and where it goes.

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
    /// An online meeting by its join link.
    FindMeeting,
    /// Webinars of the tenant.
    ListWebinars,
    /// Town halls of the tenant.
    ListTownHalls,
    /// Sessions of a virtual event.
    ListSessions,
    /// Reports of a meeting or session.
    ListReports,
    /// One report.
    GetReport,
    /// Records of a report.
    ListRecords,
}

impl RequestKind {
    /// Every kind.
    pub(super) const ALL: [Self; 11] = [
        Self::Token,
        Self::Users,
        Self::GroupMembers,
        Self::CalendarView,
        Self::FindMeeting,
        Self::ListWebinars,
        Self::ListTownHalls,
        Self::ListSessions,
        Self::ListReports,
        Self::GetReport,
        Self::ListRecords,
    ];

    /// The name in `requests_by_kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Users => "users",
            Self::GroupMembers => "group_members",
            Self::CalendarView => "calendar_view",
            Self::FindMeeting => "find_meeting",
            Self::ListWebinars => "list_webinars",
            Self::ListTownHalls => "list_town_halls",
            Self::ListSessions => "list_sessions",
            Self::ListReports => "list_reports",
            Self::GetReport => "get_report",
            Self::ListRecords => "list_records",
        }
    }

    /// The budget it is paid from where the request does not say another.
    fn default_budget(self) -> Budget {
        match self {
            Self::Token | Self::Users | Self::GroupMembers => Budget::Directory,
            Self::CalendarView => Budget::Calendar,
            Self::FindMeeting | Self::ListReports | Self::GetReport | Self::ListRecords => {
                Budget::Attendance
            }
            Self::ListWebinars | Self::ListTownHalls | Self::ListSessions => Budget::VirtualEvents,
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
    /// Webinars and town halls, their sessions and those sessions' reports.
    VirtualEvents,
    /// Users and groups.
    Directory,
}

/// A GET that has not been sent.
#[derive(Debug, Clone)]
pub struct GraphRequest {
    pub(super) kind: RequestKind,
    pub(super) budget: Budget,
    pub(super) mailbox: Option<String>,
    /// As it goes out, byte for byte.
    pub(super) url: String,
}

impl GraphRequest {
    pub(super) fn new(kind: RequestKind, url: String) -> Self {
        Self {
            kind,
            budget: kind.default_budget(),
            mailbox: None,
            url,
        }
    }

    /// The mailbox whose budget pays.
    #[must_use]
    pub fn mailbox(mut self, id: &str) -> Self {
        self.mailbox = Some(id.to_owned());
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

    pub(super) fn with_url(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }
}
