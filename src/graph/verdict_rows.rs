//! The rows of the table of refusals, each with its source.
//!
//! The first row that fits counts, for the most detailed code first. Codes are in small letters, as they are compared.

use super::failure::{Cause, FailureReason};
use super::verdict::{Call, Cure, Row};

const GRAPH_ERRORS: &str = "https://learn.microsoft.com/graph/errors";
const EXCHANGE: &str =
    "https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode";
const RESOLVE: &str = "https://learn.microsoft.com/graph/resolve-auth-errors";
const POLICY: &str = "https://learn.microsoft.com/graph/cloud-communication-online-meeting-application-access-policy";

const LET_READ: &str = "let the app read the meetings of these organizers, in Teams PowerShell (it may take 30 minutes to work):\n\
    New-CsApplicationAccessPolicy -Identity teamsheet -AppIds \"<client id>\"\n\
    Grant-CsApplicationAccessPolicy -PolicyName teamsheet -Global";
const OTHER_ORGANIZER: &str = "the application access policy does not cover these organizers, or a shared mailbox organizes, or somebody \
    else than who was asked: grant the policy with -Global, or to each organizer, and name in lists who organizes the meeting; meetings \
    of shared mailboxes cannot be read";
const GRANT: &str = "grant the app registration the application permissions User.Read.All, Calendars.ReadBasic.All, \
    OnlineMeetings.Read.All, OnlineMeetingArtifact.Read.All, VirtualEvent.Read.All, and CallRecords.Read.All where call records are \
    read, with admin consent";
const MAILBOX: &str = "an Exchange application access policy keeps the app out of these mailboxes: add them to its scope; where no calendar at \
    all can be read, grant the app registration Calendars.ReadBasic.All with admin consent";
const OWN_MEETINGS: &str = "sign in as the organizer, or use an application permission";
const USERS: &str =
    "check the users and groups that the job file names: Graph does not know one of them";
const USERS_OR_MAILBOX: &str = "check the users that the job file names: Exchange knows no such user, or the account has no cloud mailbox \
    (no licence, or a mailbox on premises) and so no calendar to read";
const NO_EXCHANGE: &str = "check `[tenant] id` in the job file: that tenant has no Exchange Online, so there are no calendars; \
    meetings are found by `discover = [\"call-records\"]` or `[\"listed\"]` there";
const APP_IN_TENANT: &str = "consent to the app in this tenant (enterprise applications in the Entra admin center): it has no service \
    principal there, or was given it minutes ago";

/// Anything.
const ANY: Row = Row {
    calls: &[],
    statuses: &[],
    codes: &[],
    begins: &[],
    reason: None,
    cause: Cause::Other,
    cure: Cure::Nothing,
    source: "",
};
/// What passes by itself.
const PASSES: Row = Row {
    reason: Some(FailureReason::ServerError),
    cure: Cure::Time,
    ..ANY
};
/// What the communications services answer.
const OF_MEETINGS: Row = Row {
    calls: &[Call::Meetings, Call::VirtualEvents],
    ..ANY
};
/// What Exchange answers.
const OF_CALENDARS: Row = Row {
    calls: &[Call::Calendar],
    ..ANY
};

pub(super) const ROWS: &[Row] = &[
    // ---- permissions ----
    Row {
        codes: &["authorization_requestdenied"],
        cause: Cause::MissingRole,
        cure: Cure::Person(GRANT),
        source: RESOLVE,
        ..ANY
    },
    Row {
        begins: &[
            "insufficient privileges to complete the operation",
            "missing role permissions on the request",
            "missing scope permissions on the request",
        ],
        statuses: &[403],
        cause: Cause::MissingRole,
        cure: Cure::Person(GRANT),
        source: RESOLVE,
        ..ANY
    },
    Row {
        codes: &["authorization_identitynotfound"],
        cure: Cure::Person(APP_IN_TENANT),
        source: RESOLVE,
        ..ANY
    },
    Row {
        statuses: &[403],
        codes: &["erroraccessdenied"],
        cause: Cause::MailboxDenied,
        cure: Cure::Person(MAILBOX),
        source: "https://learn.microsoft.com/graph/auth-limit-mailbox-access",
        ..OF_CALENDARS
    },
    // ---- meetings, whose codes do not tell ----
    Row {
        begins: &["no application access policy found for this app"],
        cause: Cause::NoApplicationAccessPolicy,
        cure: Cure::Person(LET_READ),
        source: POLICY,
        ..OF_MEETINGS
    },
    Row {
        begins: &[
            "3003:",
            "user id in token(#) is not the organizer of the queried meeting",
            "organizer id mismatch",
        ],
        cause: Cause::NotOrganizer,
        cure: Cure::Person(OTHER_ORGANIZER),
        source: "https://github.com/microsoftgraph/microsoft-graph-docs/issues/10770",
        ..OF_MEETINGS
    },
    Row {
        begins: &["organizer id in token(#) does not match organizer id in request url(#)"],
        cause: Cause::DelegatedMismatch,
        cure: Cure::Person(OWN_MEETINGS),
        source: "https://learn.microsoft.com/answers/questions/1410496",
        ..OF_MEETINGS
    },
    Row {
        begins: &["3004:"],
        cause: Cause::MeetingNotFound,
        source: "https://learn.microsoft.com/answers/questions/2084475",
        ..OF_MEETINGS
    },
    Row {
        begins: &["1026:"],
        cause: Cause::JoinUrlUnusable,
        source: "https://learn.microsoft.com/graph/api/onlinemeeting-get",
        ..OF_MEETINGS
    },
    Row {
        begins: &[
            "filter expression expected",
            "one of the required parameters to lookup meeting by queryoptions is null or empty",
        ],
        cause: Cause::FilterUnsupported,
        source: "https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2492",
        ..OF_MEETINGS
    },
    Row {
        begins: &["meeting id is corrupted", "invalid meeting id"],
        cause: Cause::NotAMeetingId,
        source: "https://github.com/microsoftgraph/microsoft-graph-docs/issues/19320",
        ..OF_MEETINGS
    },
    // ---- users ----
    Row {
        codes: &["request_resourcenotfound"],
        cause: Cause::UserNotFound,
        cure: Cure::Person(USERS),
        source: "https://learn.microsoft.com/graph/api/user-get",
        ..ANY
    },
    Row {
        calls: &[Call::Directory, Call::Meetings],
        codes: &["resourcenotfound", "errorinvaliduser"],
        cause: Cause::UserNotFound,
        cure: Cure::Person(USERS),
        source: GRAPH_ERRORS,
        ..ANY
    },
    // ---- accounts without a cloud mailbox ----
    Row {
        codes: &[
            "mailboxnotenabledforrestapi",
            "mailboxnotsupportedforrestapi",
            "mailboxnothostedinexchangeonline",
            "restapinotenabledforcomponentsharedmailbox",
            "errormailboxnotenabledforrestapi",
            "errornonexistentmailbox",
            "errormissingemailaddress",
        ],
        cause: Cause::MailboxNotEnabled,
        source: "https://learn.microsoft.com/graph/troubleshoot-outlook-api",
        ..OF_CALENDARS
    },
    // one account was seen to flip between this and the codes above
    Row {
        codes: &[
            "resourcenotfound",
            "errorinvaliduser",
            "erroritemnotfound",
            "errorfoldernotfound",
            "errormailboxnotfound",
            "erroraccountdisabled",
        ],
        cause: Cause::NoUserOrMailbox,
        cure: Cure::Person(USERS_OR_MAILBOX),
        source: "https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/4340",
        ..OF_CALENDARS
    },
    Row {
        codes: &["organizationfromtenantguidnotfound"],
        reason: Some(FailureReason::BadRequest),
        cause: Cause::TenantWithoutExchange,
        cure: Cure::Person(NO_EXCHANGE),
        source: "https://learn.microsoft.com/graph/troubleshoot-outlook-api",
        ..OF_CALENDARS
    },
    // ---- mailboxes on the move ----
    Row {
        codes: &[
            "errormailboxmoveinprogress",
            "errormailboxstoreunavailable",
            "mailboxstoreunavailable",
            "mailboxinfostale",
            "errormailboxfailover",
            "errorcrosssiterequest",
            "errorconnectionfailed",
            "errorconnectionfailedtransienterror",
        ],
        cause: Cause::MailboxUnavailable,
        source: EXCHANGE,
        ..PASSES
    },
    // ---- services that are busy ----
    Row {
        codes: &[
            "toomanyrequests",
            "applicationthrottled",
            "activitylimitreached",
            "request_throttledtemporarily",
            "errorexceededconnectioncount",
            "errortoomanyobjectsopened",
        ],
        reason: Some(FailureReason::Throttled),
        source: "https://learn.microsoft.com/graph/throttling",
        ..PASSES
    },
    Row {
        codes: &[
            "errorserverbusy",
            "errorinternalservererror",
            "errorinternalservertransienterror",
            "erroradunavailable",
            "erroradoperation",
            "errortimeoutexpired",
            "errorinsufficientresources",
            "errorproxyrequestprocessingfailed",
            "errornorespondingcasindestinationsite",
        ],
        source: EXCHANGE,
        ..PASSES
    },
    Row {
        codes: &[
            "servicenotavailable",
            "serviceunavailable",
            "serviceunavailableretry",
            "temporarily_unavailable",
            "temporarilyunavailable",
            "service_internalservererror",
            "service_temporarilyunavailable",
            "directory_replicaunavailable",
            "directory_concurrencyviolation",
            "internalservererror",
            "gatewaytimeout",
            "timeout",
            "lockmismatch",
            "resourcelocked",
        ],
        source: GRAPH_ERRORS,
        ..PASSES
    },
    // it is not known what went wrong
    Row {
        statuses: &[400, 404, 405, 406, 409, 410, 412, 422],
        codes: &["unknownerror", "generalexception"],
        reason: Some(FailureReason::BadResponse),
        cure: Cure::Time,
        source: GRAPH_ERRORS,
        ..ANY
    },
    // ---- lists ----
    Row {
        codes: &[
            "directory_expiredpagetoken",
            "expiredpagetoken",
            "directory_invalidpagetoken",
            "invalidpagetoken",
            "invalidskiptoken",
            "syncstatenotfound",
            "syncstateinvalid",
            "resyncrequired",
            "resyncchangesapplydifferences",
            "resyncchangesuploaddifferences",
        ],
        reason: Some(FailureReason::BadResponse),
        cause: Cause::PageTokenExpired,
        cure: Cure::FromTheStart,
        source: "https://learn.microsoft.com/graph/delta-query-overview, https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2254",
        ..ANY
    },
];
