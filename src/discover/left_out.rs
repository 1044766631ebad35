//! Published sessions of webinars and town halls that a list leaves out.
//!
//! Graph leaves out, without a word, events whose organizer has no application access policy for the app. So each is asked for by its id:
//! what is not found is removed, whatever else is answered says nothing.
//! Source: <https://learn.microsoft.com/graph/api/virtualeventsroot-list-webinars>.

use super::virtual_events::collection;
use super::{DiscoverContext, Found, VirtualLinks};
use crate::graph::{FailureReason, RequestKind};
use crate::ids::{OrganizerId, SessionId};
use crate::job::Source;
use crate::ledger::KnownSession;

/// Asks for the published sessions of the interval that a list, read to its end, did not show; of one organizer, or of all.
pub(super) async fn tell_removed(
    context: &DiscoverContext,
    source: Source,
    organizer: Option<&OrganizerId>,
    links: &VirtualLinks,
) {
    let is_left_out = |(id, session): &(&SessionId, &KnownSession)| {
        let occurrence = &session.occurrence;
        let owner = occurrence.organizer.as_ref().map(|owner| &owner.id);
        occurrence.source == source
            && session.removed_at.is_none()
            && context.interval.contains(occurrence.scheduled_start)
            && organizer.is_none_or(|organizer| owner == Some(organizer))
            && !links.has_seen(id)
    };
    for (id, session) in context.known.sessions().filter(is_left_out) {
        let (Some(event), Some(own)) = (
            &session.occurrence.event_id,
            &session.occurrence.occurrence_id,
        ) else {
            continue;
        };
        let path = [
            "solutions",
            "virtualEvents",
            collection(source),
            event.as_str(),
            "sessions",
            own,
        ];
        let url = context.graph.url(&path);
        let request = context.graph.request(RequestKind::GetSession, url);
        let answered = context.graph.get(&request).await;
        if answered.is_err_and(|error| error.reason() == FailureReason::Gone) {
            context.tell(Found::Removed(id.clone())).await;
        }
    }
}
