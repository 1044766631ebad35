//! The table of refusals, case by case and by law.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const CALLS: [Call; 5] = [
    Call::Directory,
    Call::Calendar,
    Call::Records,
    Call::Meetings,
    Call::VirtualEvents,
];

fn verdict(call: Call, status: u16, code: &str, message: &str) -> Verdict {
    let body = json!({"error": {"code": code, "message": message}}).to_string();
    Verdict::of(call, status, &ErrorBody::read(body.as_bytes()))
}

fn reason_and_cause(call: Call, status: u16, code: &str, message: &str) -> (FailureReason, Cause) {
    let verdict = verdict(call, status, code, message);
    (verdict.reason, verdict.cause)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn causes_of_one_status_are_told_apart() {
    use Call::{Calendar, Directory, Meetings, VirtualEvents};
    use Cause as C;
    use FailureReason as R;
    for (call, status, code, message, reason, cause) in [
        (
            Meetings,
            403,
            "Forbidden",
            "No Application Access Policy found for this app",
            R::Forbidden,
            C::NoApplicationAccessPolicy,
        ),
        (
            VirtualEvents,
            403,
            "General",
            "No application access policy found for this app: x on the user",
            R::Forbidden,
            C::NoApplicationAccessPolicy,
        ),
        (
            Meetings,
            403,
            "Forbidden",
            "3003: User does not have access to lookup meeting",
            R::Forbidden,
            C::NotOrganizer,
        ),
        (
            Meetings,
            403,
            "General",
            "User ID in token(a-1) is not the organizer of the queried meeting.",
            R::Forbidden,
            C::NotOrganizer,
        ),
        (
            Meetings,
            400,
            "BadRequest",
            "Organizer Id mismatch User Id: x",
            R::BadRequest,
            C::NotOrganizer,
        ),
        (
            Meetings,
            403,
            "General",
            "Organizer ID in token(a) does not match organizer ID in request url(b).",
            R::Forbidden,
            C::DelegatedMismatch,
        ),
        (
            Directory,
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
            R::Forbidden,
            C::MissingRole,
        ),
        (
            Meetings,
            403,
            "Forbidden",
            "Missing role permissions on the request. API requires one of 'X'.",
            R::Forbidden,
            C::MissingRole,
        ),
        (
            Meetings,
            403,
            "Forbidden",
            "An error has occurred.",
            R::Forbidden,
            C::Other,
        ),
        (
            Meetings,
            404,
            "NotFound",
            "3004: Specified meeting is not found",
            R::Gone,
            C::MeetingNotFound,
        ),
        (
            Meetings,
            404,
            "NotFound",
            "Report not found.",
            R::Gone,
            C::Other,
        ),
        (
            Meetings,
            400,
            "BadRequest",
            "1026: An error has occurred.",
            R::BadRequest,
            C::JoinUrlUnusable,
        ),
        (
            Meetings,
            400,
            "InvalidArgument",
            "Filter expression expected - /onlineMeetings?$filter={x} eq '{id}'.",
            R::BadRequest,
            C::FilterUnsupported,
        ),
        (
            Meetings,
            400,
            "BadRequest",
            "Invalid meeting id 19:x@thread.tacv2.",
            R::BadRequest,
            C::ChannelThread,
        ),
        (
            Meetings,
            400,
            "BadRequest",
            "Invalid meeting id 19:x@thread.v2.",
            R::BadRequest,
            C::NotAMeetingId,
        ),
        (
            Calendar,
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is hosted on-premise.",
            R::Gone,
            C::MailboxNotEnabled,
        ),
        (
            Calendar,
            404,
            "MailboxNotSupportedForRESTAPI",
            "x",
            R::Gone,
            C::MailboxNotEnabled,
        ),
        (
            Calendar,
            404,
            "ErrorNonExistentMailbox",
            "x",
            R::Gone,
            C::MailboxNotEnabled,
        ),
        (
            Calendar,
            404,
            "ResourceNotFound",
            "Resource could not be discovered.",
            R::Gone,
            C::NoUserOrMailbox,
        ),
        (
            Calendar,
            404,
            "ErrorInvalidUser",
            "The requested user 'x' is invalid.",
            R::Gone,
            C::NoUserOrMailbox,
        ),
        (
            Calendar,
            404,
            "ErrorItemNotFound",
            "x",
            R::Gone,
            C::NoUserOrMailbox,
        ),
        (
            Calendar,
            403,
            "ErrorAccessDenied",
            "Access is denied.",
            R::Forbidden,
            C::MailboxDenied,
        ),
        (
            Calendar,
            401,
            "OrganizationFromTenantGuidNotFound",
            "x",
            R::BadRequest,
            C::TenantWithoutExchange,
        ),
        (
            Calendar,
            404,
            "Request_ResourceNotFound",
            "Resource 'x' does not exist",
            R::Gone,
            C::UserNotFound,
        ),
        (
            Directory,
            404,
            "ResourceNotFound",
            "x",
            R::Gone,
            C::UserNotFound,
        ),
        (
            VirtualEvents,
            404,
            "ResourceNotFound",
            "x",
            R::Gone,
            C::Other,
        ),
        (
            Calendar,
            400,
            "ErrorMailboxMoveInProgress",
            "x",
            R::ServerError,
            C::MailboxUnavailable,
        ),
        (
            Calendar,
            404,
            "MailboxStoreUnavailable",
            "x",
            R::ServerError,
            C::MailboxUnavailable,
        ),
        (
            Calendar,
            503,
            "MailboxInfoStale",
            "x",
            R::ServerError,
            C::MailboxUnavailable,
        ),
        (
            Calendar,
            429,
            "ErrorMailboxMoveInProgress",
            "x",
            R::Throttled,
            C::MailboxUnavailable,
        ),
        (
            Calendar,
            400,
            "ErrorServerBusy",
            "x",
            R::ServerError,
            C::Other,
        ),
        (
            Directory,
            400,
            "Directory_ExpiredPageToken",
            "x",
            R::BadResponse,
            C::PageTokenExpired,
        ),
        (
            Calendar,
            410,
            "SyncStateNotFound",
            "x",
            R::BadResponse,
            C::PageTokenExpired,
        ),
        (
            Calendar,
            410,
            "resyncRequired",
            "x",
            R::BadResponse,
            C::PageTokenExpired,
        ),
        (Meetings, 400, "UnknownError", "", R::BadResponse, C::Other),
        (Meetings, 403, "UnknownError", "", R::Forbidden, C::Other),
        (
            Meetings,
            404,
            "UnknownError",
            "3004: Specified meeting is not found",
            R::Gone,
            C::MeetingNotFound,
        ),
        (
            Directory,
            400,
            "temporarily_unavailable",
            "",
            R::ServerError,
            C::Other,
        ),
        (
            Directory,
            403,
            "TooManyRequests",
            "",
            R::Throttled,
            C::Other,
        ),
        // a code of no row is what its status says
        (Calendar, 404, "ErrorOfTomorrow", "x", R::Gone, C::Other),
        (
            Calendar,
            400,
            "ErrorOfTomorrow",
            "x",
            R::BadRequest,
            C::Other,
        ),
        (
            Calendar,
            503,
            "ErrorOfTomorrow",
            "x",
            R::ServerError,
            C::Other,
        ),
        (
            Meetings,
            403,
            "ErrorOfTomorrow",
            "No application access policy found for this app",
            R::Forbidden,
            C::Other,
        ),
        (
            Meetings,
            403,
            "ErrorOfTomorrow",
            "3003: x",
            R::Forbidden,
            C::NotOrganizer,
        ),
        // no code at all comes from something on the way
        (
            Calendar,
            404,
            "",
            "An error has occurred.",
            R::BadResponse,
            C::Other,
        ),
        (Calendar, 400, "", "", R::BadResponse, C::Other),
        (
            Meetings,
            403,
            "",
            "No application access policy found for this app",
            R::Forbidden,
            C::NoApplicationAccessPolicy,
        ),
    ] {
        let found = reason_and_cause(call, status, code, message);
        assert_eq!(found, (reason, cause), "{call:?} {status} {code} {message}");
    }
}

#[test]
fn statuses_alone_say_what_may_pass() {
    for (status, reason) in [
        (400, FailureReason::BadResponse),
        (401, FailureReason::Unauthorized),
        (403, FailureReason::Forbidden),
        (404, FailureReason::BadResponse),
        (405, FailureReason::BadRequest),
        (408, FailureReason::Timeout),
        (409, FailureReason::BadResponse),
        (410, FailureReason::Gone),
        (412, FailureReason::BadResponse),
        (423, FailureReason::BadResponse),
        (425, FailureReason::BadResponse),
        (429, FailureReason::Throttled),
        (451, FailureReason::BadRequest),
        (500, FailureReason::ServerError),
        (503, FailureReason::ServerError),
        (200, FailureReason::BadResponse),
    ] {
        for call in CALLS {
            let verdict = Verdict::of(call, status, &ErrorBody::default());
            assert_eq!(verdict.reason, reason, "{status}");
            assert_eq!(
                verdict.class == FailureClass::Terminal,
                !reason.is_transient(),
                "{status}"
            );
        }
    }
}

#[test]
fn codes_count_wherever_they_stand_and_the_most_detailed_first() {
    for body in [
        r#"{"error":{"code":"","innerError":{"code":"MailboxNotEnabledForRESTAPI"}}}"#,
        r#"{"error":{"code":"Forbidden","innererror":{"innerError":{"code":"mailboxnotenabledforrestapi"}}}}"#,
        r#"{"error":{"code":"ErrorAccessDenied","innerError":{"code":"MailboxNotEnabledForRESTAPI"}}}"#,
        r#"{"error":{"code":"UnknownError","details":[{"code":"x"},{"code":"MailboxNotEnabledForRESTAPI"}]}}"#,
        r#"{"error":{"code":"MailboxNotEnabledForRESTAPI","innerError":{"code":"ErrorOfTomorrow"}}}"#,
    ] {
        for status in [403, 404] {
            let verdict = Verdict::of(Call::Calendar, status, &ErrorBody::read(body.as_bytes()));
            assert_eq!(verdict.cause, Cause::MailboxNotEnabled, "{status} {body}");
        }
    }
}

#[test]
fn every_row_can_be_met_and_says_where_it_is_from() {
    let mut codes: Vec<(&[Call], &[u16], &str)> = Vec::new();
    for row in ROWS {
        assert!(row.source.starts_with("https://"), "{row:?}");
        assert!(row.codes.is_empty() != row.begins.is_empty(), "{row:?}");
        for code in row.codes {
            assert_eq!(*code, code.to_ascii_lowercase());
            for (calls, statuses, before) in &codes {
                let overlap = calls.is_empty()
                    || row.calls.is_empty()
                    || calls.iter().any(|call| row.calls.contains(call));
                let same_status = statuses.is_empty() || row.statuses.is_empty();
                assert!(before != code || !overlap || !same_status, "{code} twice");
            }
            codes.push((row.calls, row.statuses, code));
        }
        for text in row.begins {
            assert_eq!(*text, text.to_ascii_lowercase());
            // as it is masked itself
            assert!(
                ErrorBody::read(json!({"error": {"message": text}}).to_string().as_bytes())
                    .sentence
                    .begins(text)
            );
        }
    }
}

/// Refusals that quote an id, with `{}` in its place.
const QUOTING: [(u16, &str, &str); 10] = [
    (
        403,
        "General",
        "No application access policy found for this app: {} on the user {}.",
    ),
    (
        403,
        "General",
        "User ID in token({}) is not the organizer of the queried meeting.",
    ),
    (
        403,
        "Forbidden",
        "3003: User {} does not have access to lookup meeting",
    ),
    (
        403,
        "General",
        "Organizer ID in token({}) does not match organizer ID in request url({}).",
    ),
    (403, "Forbidden", "The user {} may not do that."),
    (404, "NotFound", "3004: Specified meeting {} is not found"),
    (404, "NotFound", "The report '{}' is not found."),
    (400, "BadRequest", "Invalid meeting id {}."),
    (
        404,
        "Request_ResourceNotFound",
        "Resource '{}' does not exist",
    ),
    (400, "BadRequest", "The value {} is not allowed."),
];

proptest! {
    /// The ids hold the very numbers that messages begin with.
    #[test]
    fn the_same_failure_has_the_same_verdict_whatever_it_quotes(
        a in "(3003|3004|1026)[0-9a-f]{4}-[0-9a-f]{4}-(3003|3004|1026)-[0-9a-f]{4}-[0-9a-f]{12}",
        b in "[0-9]{1,12}",
        call in 0usize..CALLS.len(),
    ) {
        let call = CALLS[call];
        for (status, code, message) in QUOTING {
            let plain = verdict(call, status, code, &message.replace("{}", "8b081ef6-4792-4def-b2c9-c363a1bf41d5"));
            for id in [&a, &b] {
                prop_assert_eq!(verdict(call, status, code, &message.replace("{}", id)), plain);
            }
        }
    }

    #[test]
    fn nothing_that_is_told_makes_a_refusal_of_a_429(code in "[A-Za-z_]{0,20}", row in 0usize..ROWS.len()) {
        let known = ROWS[row].codes.first().copied().unwrap_or(&code);
        for call in CALLS {
            let verdict = verdict(call, 429, known, "");
            let restarts = verdict.cure == Cure::FromTheStart;
            prop_assert!(restarts || verdict.class == FailureClass::Throttled);
        }
    }
}
