//! The body of a failed answer: Graph's error object, or the sign-in host's.

use serde_json::Value;

use super::error::Cause;

/// What an error body says; all of it may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// `error.code`, or the sign-in host's `error`.
    pub(super) code: Option<String>,
    /// Which of the causes known in this area it is; `error.message` itself is not kept, it may quote ids and names.
    pub(super) cause: Cause,
    /// `innerError.request-id`.
    pub(super) request_id: Option<String>,
    /// The first of the sign-in host's `error_codes`.
    pub(super) sign_in_code: Option<i64>,
}

impl ErrorBody {
    /// Reads a body; HTML, an empty one or anything else that is no error object says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let message = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        let text = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .filter(|text| is_identifier(text))
                .map(str::to_owned)
        };
        let Some(error) = body.get("error") else {
            return Self::default();
        };
        if error.is_string() {
            return Self {
                code: text(Some(error)),
                cause: Cause::Other,
                request_id: text(body.get("trace_id")),
                sign_in_code: body
                    .get("error_codes")
                    .and_then(|codes| codes.get(0))
                    .and_then(Value::as_i64),
            };
        }
        // the documentation spells it both ways, and it may nest
        let mut inner = error.get("innerError").or_else(|| error.get("innererror"));
        let mut code = text(error.get("code"));
        let mut request_id = None;
        while let Some(object) = inner {
            request_id = request_id.or_else(|| text(object.get("request-id")));
            code = code.or_else(|| text(object.get("code")));
            inner = object
                .get("innerError")
                .or_else(|| object.get("innererror"));
        }
        let cause = cause(
            code.as_deref().unwrap_or_default(),
            &message(error.get("message")),
        );
        Self {
            code,
            cause,
            request_id,
            sign_in_code: None,
        }
    }
}

impl Default for ErrorBody {
    fn default() -> Self {
        Self {
            code: None,
            cause: Cause::Other,
            request_id: None,
            sign_in_code: None,
        }
    }
}

/// Whether a text can be shown: codes and ids are short words, and nobody's name or address.
fn is_identifier(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Which of the causes it is.
///
/// Codes are poor here, so the number that messages begin with decides where the code does not.
fn cause(code: &str, message: &str) -> Cause {
    match code.to_ascii_lowercase().as_str() {
        "mailboxnotenabledforrestapi" => return Cause::MailboxNotEnabled,
        "erroraccessdenied" => return Cause::MailboxDenied,
        "authorization_requestdenied" => return Cause::MissingRole,
        "request_resourcenotfound" | "resourcenotfound" | "errorinvaliduser" => {
            return Cause::UserNotFound;
        }
        _ => {}
    }
    let known = [
        (
            "no application access policy",
            Cause::NoApplicationAccessPolicy,
        ),
        ("3003", Cause::NotOrganizer),
        ("3004", Cause::MeetingNotFound),
        ("1026", Cause::JoinUrlUnusable),
        ("organizer id in token", Cause::DelegatedMismatch),
        ("insufficient privileges", Cause::MissingRole),
        ("filter expression expected", Cause::FilterUnsupported),
        (
            "one of the required parameters to lookup meeting",
            Cause::FilterUnsupported,
        ),
        ("@thread.tacv2", Cause::ChannelThread),
        ("meeting id is corrupted", Cause::NotAMeetingId),
        ("invalid meeting id", Cause::NotAMeetingId),
        ("organizer id mismatch", Cause::NotOrganizer),
    ];
    known
        .into_iter()
        .find(|(part, _)| message.contains(part))
        .map_or(Cause::Other, |(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_of_one_status_are_told_apart() {
        for (code, message, cause) in [
            (
                "Forbidden",
                "No Application Access Policy found for this app",
                Cause::NoApplicationAccessPolicy,
            ),
            (
                "General",
                "No application access policy found for this app: x on the user",
                Cause::NoApplicationAccessPolicy,
            ),
            (
                "Forbidden",
                "3003: User does not have access to lookup meeting",
                Cause::NotOrganizer,
            ),
            (
                "General",
                "Organizer ID in token(a) does not match organizer ID in request url(b).",
                Cause::DelegatedMismatch,
            ),
            (
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
                Cause::MissingRole,
            ),
            (
                "NotFound",
                "3004: Specified meeting is not found",
                Cause::MeetingNotFound,
            ),
            (
                "BadRequest",
                "1026: An error has occurred.",
                Cause::JoinUrlUnusable,
            ),
            (
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
                Cause::MailboxNotEnabled,
            ),
            (
                "ErrorAccessDenied",
                "Access is denied.",
                Cause::MailboxDenied,
            ),
            (
                "Request_ResourceNotFound",
                "Resource 'x' does not exist",
                Cause::UserNotFound,
            ),
            (
                "InvalidArgument",
                "Filter expression expected - /onlineMeetings?$filter={ParameterName} eq '{id}'.",
                Cause::FilterUnsupported,
            ),
            (
                "BadRequest",
                "Invalid meeting id 19:x@thread.tacv2.",
                Cause::ChannelThread,
            ),
            ("", "An error has occurred.", Cause::Other),
        ] {
            let body = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
            assert_eq!(ErrorBody::read(body.as_bytes()).cause, cause, "{message}");
        }
    }

    #[test]
    fn every_shape_of_an_error_body_is_read() {
        let nested = br#"{"error":{"code":"","message":"m","innererror":{"innerError":{"code":"deep","request-id":"r"}}}}"#;
        let body = ErrorBody::read(nested);
        assert_eq!(
            (body.code.as_deref(), body.request_id.as_deref()),
            (Some("deep"), Some("r"))
        );
        let token = br#"{"error":"invalid_client","error_description":"AADSTS7000215: x","error_codes":[7000215],"trace_id":"t"}"#;
        let body = ErrorBody::read(token);
        assert_eq!(
            (body.code.as_deref(), body.sign_in_code),
            (Some("invalid_client"), Some(7_000_215))
        );
        for body in [
            &b"<html>Service Unavailable</html>"[..],
            b"",
            b"[]",
            b"{}",
            b"\xef\xbb\xbf{}",
        ] {
            assert_eq!(ErrorBody::read(body), ErrorBody::default());
        }
    }
}
