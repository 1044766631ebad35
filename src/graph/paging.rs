//! Collections, page by page: the link to the next page is followed as it came, and never round in a circle.
//!
//! A link that was followed before is a circle. So are pages that bring nothing new under links that are new each time, once there are
//! more of them than a collection that changes while it is read could have.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;

use super::client::GraphClient;
use super::error::{GraphError, Problem};
use super::request::{GraphRequest, RequestKind};
use crate::model::{ParseError, check_json, keys_of_items};

/// Pages in a row that hold nothing new; Graph has been seen to hand out links to empty pages for ever.
const MAX_IDLE_PAGES: usize = 20;
/// Far beyond a tenant of millions, whatever the size of a page.
const MAX_PAGES_OF_TENANT: usize = 100_000;
/// Far beyond one mailbox, event, meeting or report.
const MAX_PAGES_OF_ONE: usize = 10_000;

/// How often a list is read again from its start, because a link to its next page was too old: a tenant that large changes little
/// meanwhile.
const MAX_RESTARTS: usize = 3;

/// Reads one collection.
///
/// The caller reads a page with [`next_page`](Self::next_page), finds the link in it and hands that back with
/// [`follow`](Self::follow).
#[derive(Debug)]
pub struct Pager {
    client: GraphClient,
    /// Where the collection begins.
    first: GraphRequest,
    request: GraphRequest,
    is_pending: bool,
    /// Whether a page was read since the collection was begun.
    has_begun: bool,
    restarts: usize,
    begins_anew: bool,
    /// Hashes of the links so far: a link may be 8 kB long, and there may be many.
    seen: HashSet<blake3::Hash>,
    /// The page that was read last, until it is told where it goes on.
    page: Option<Bytes>,
    /// Hashes of what the items so far are known by; one that is taken for another costs no item, only the count of idle pages.
    items: HashSet<u64>,
    idle_pages: usize,
}

impl Pager {
    pub(super) fn new(client: GraphClient, request: GraphRequest) -> Self {
        let seen = HashSet::from([blake3::hash(request.url.as_bytes())]);
        Self {
            client,
            first: request.clone(),
            request,
            is_pending: true,
            has_begun: false,
            restarts: 0,
            begins_anew: false,
            seen,
            page: None,
            items: HashSet::new(),
            idle_pages: 0,
        }
    }

    /// The next page's body; `None` after the last.
    ///
    /// Where the link to it is too old, or so large a page does not come in time, this is the first page again, of smaller pages in the
    /// latter case: see [`begins_anew`](Self::begins_anew).
    ///
    /// # Errors
    /// [`GraphError`] of the request.
    pub async fn next_page(&mut self) -> Result<Option<Bytes>, GraphError> {
        self.begins_anew = false;
        if !std::mem::take(&mut self.is_pending) {
            return Ok(None);
        }
        loop {
            self.request.may_shrink = self.first.smaller().is_some();
            // a body cut short in transit is asked again here; what it holds is the caller's to read
            let read = |body: &Bytes| check_json(body).map(|()| body.clone());
            match self.client.get_with(&self.request, read).await {
                Ok(page) => {
                    self.has_begun = true;
                    self.page = Some(page.clone());
                    return Ok(Some(page));
                }
                Err(error) => match self.start_again(&error) {
                    Some(first) => self.restart(first),
                    None => return Err(error),
                },
            }
        }
    }

    /// Whether the page that was just read is the collection's first once more: what the pages before held comes again.
    pub fn begins_anew(&self) -> bool {
        self.begins_anew
    }

    /// How to begin anew after a page that cannot be had, where that may help.
    fn start_again(&self, error: &GraphError) -> Option<GraphRequest> {
        if error.is_too_much() {
            return self.first.smaller();
        }
        let is_worth_it =
            self.has_begun && self.restarts < MAX_RESTARTS && error.is_of_expired_page();
        is_worth_it.then(|| self.first.clone())
    }

    fn restart(&mut self, first: GraphRequest) {
        tracing::debug!(
            kind = first.kind.as_str(),
            "a list is read again from its start"
        );
        self.begins_anew |= std::mem::take(&mut self.has_begun);
        self.restarts += 1;
        self.request = first.clone();
        self.seen = HashSet::from([blake3::hash(first.url.as_bytes())]);
        self.first = first;
        self.items.clear();
        self.idle_pages = 0;
    }

    /// Says where the page that was just read goes on; `None` where it was the last.
    ///
    /// # Errors
    /// [`GraphError`] with the reason `RefusedLink` where the link leads away from the endpoint, `PagingLoop` where it was followed
    /// before, or too many pages came or too many without anything new; terminal.
    pub fn follow(&mut self, next_link: Option<&str>) -> Result<(), GraphError> {
        let page = self.page.take();
        let Some(link) = next_link else { return Ok(()) };
        let failed = |problem| GraphError::of(&self.request, problem);
        self.client.check_link(link).map_err(failed)?;
        if !self.seen.insert(blake3::hash(link.as_bytes())) {
            return Err(failed(Problem::PagingLoop));
        }
        let items = page.map(|page| known_by(&page, self.request.kind));
        let mut is_new = false;
        for item in items.unwrap_or_default() {
            is_new |= self.items.insert(item);
        }
        self.idle_pages = if is_new { 0 } else { self.idle_pages + 1 };
        if self.idle_pages > MAX_IDLE_PAGES {
            return Err(failed(Problem::TooManyIdlePages(MAX_IDLE_PAGES)));
        }
        let max_pages = max_pages(self.request.kind);
        if self.seen.len() > max_pages {
            return Err(failed(Problem::TooManyPages(max_pages)));
        }
        self.request = self.request.with_url(link);
        self.is_pending = true;
        Ok(())
    }

    /// The page that was just read is not what was asked for.
    pub fn bad_response(&self, source: ParseError) -> GraphError {
        GraphError::of(&self.request, Problem::from(source))
    }
}

/// Hashes of what a page's items are known by: their ids, else all that they say.
fn known_by(page: &[u8], kind: RequestKind) -> Vec<u64> {
    // records come without an id, and with one that several share
    let by_id = kind != RequestKind::ListRecords;
    match keys_of_items(page, by_id) {
        Ok(items) => items.iter().map(|item| hash(item.as_bytes())).collect(),
        // bytes that are no UTF-8: all or nothing of it is new
        Err(_) => vec![hash(page)],
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn max_pages(kind: RequestKind) -> usize {
    match kind {
        RequestKind::Users
        | RequestKind::GroupMembers
        | RequestKind::ListCallRecords
        | RequestKind::ListWebinars
        | RequestKind::ListTownHalls => MAX_PAGES_OF_TENANT,
        RequestKind::Token
        | RequestKind::CalendarView
        | RequestKind::GetCallRecord
        | RequestKind::FindMeeting
        | RequestKind::GetMeeting
        | RequestKind::ListSessions
        | RequestKind::GetSession
        | RequestKind::ListReports
        | RequestKind::GetReport
        | RequestKind::ListRecords => MAX_PAGES_OF_ONE,
    }
}

#[cfg(test)]
#[path = "paging_tests.rs"]
mod tests;
