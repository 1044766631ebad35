//! Graph's refusals, worded as its documentation and public reports print them.

use serde_json::{Value, json};

/// Status, code and message of an error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulated_tenant) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// 401: no token, one that is not ours, or one that expired.
    pub(super) fn token(message: &str) -> Self {
        Self::new(401, "InvalidAuthenticationToken", message)
    }

    /// 404 of the directory.
    pub(super) fn no_such_object(id: &str) -> Self {
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(404, "Request_ResourceNotFound", message)
    }

    /// 404 of a path that Graph does not know.
    pub(super) fn no_such_path(segment: &str) -> Self {
        let message = format!("Resource not found for the segment '{segment}'.");
        Self::new(404, "BadRequest", message)
    }

    /// 404 of meetings: wrong organizer, doubly encoded link, deleted or expired.
    pub(super) fn no_such_meeting() -> Self {
        Self::new(404, "NotFound", "3004: Specified meeting is not found")
    }

    /// 404 of anything below a meeting or a virtual event.
    pub(super) fn no_such_item(what: &str) -> Self {
        Self::new(404, "NotFound", format!("{what} not found."))
    }

    /// 403 of meetings: a user's token and somebody else in the path.
    pub(super) fn other_organizer(own: &str, other: &str) -> Self {
        let message = format!(
            "Organizer ID in token({own}) does not match organizer ID in request url({other}). With delegated permission only /me endpoint is supported."
        );
        Self::new(403, "General", message)
    }

    /// 400: an app's token asks for `/me`.
    pub(super) fn me_without_user() -> Self {
        let message = "/me request is only valid with delegated authentication flow.";
        Self::new(400, "BadRequest", message)
    }

    /// The body of the answer; the request's ids are the caller's.
    pub(super) fn body(&self, request_id: &str, client_request_id: &str, date: &str) -> Value {
        json!({"error": {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": date,
                "request-id": request_id,
                "client-request-id": client_request_id,
            }
        }})
    }
}
