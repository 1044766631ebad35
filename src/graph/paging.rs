//! Collections, page by page: the link to the next page is followed as it came, and never round in a circle.

use std::collections::HashSet;

use bytes::Bytes;

use super::client::GraphClient;
use super::error::{GraphError, Problem};
use super::request::GraphRequest;
use crate::model::{ParseError, check_json};

/// Graph has been seen to hand out links to empty pages for ever.
const MAX_EMPTY_PAGES: usize = 20;
/// Far beyond any real collection.
const MAX_PAGES: usize = 100_000;

/// Reads one collection.
///
/// The caller reads a page with [`next_page`](Self::next_page), finds the link in it and hands that back with
/// [`follow`](Self::follow).
#[derive(Debug)]
pub struct Pager {
    client: GraphClient,
    request: GraphRequest,
    is_pending: bool,
    /// Hashes of the links so far: a link may be 8 kB long, and there may be many.
    seen: HashSet<blake3::Hash>,
    empty_pages: usize,
}

impl Pager {
    pub(super) fn new(client: GraphClient, request: GraphRequest) -> Self {
        let seen = HashSet::from([blake3::hash(request.url.as_bytes())]);
        Self {
            client,
            request,
            is_pending: true,
            seen,
            empty_pages: 0,
        }
    }

    /// The next page's body; `None` after the last.
    ///
    /// # Errors
    /// [`GraphError`] of the request.
    pub async fn next_page(&mut self) -> Result<Option<Bytes>, GraphError> {
        if !std::mem::take(&mut self.is_pending) {
            return Ok(None);
        }
        // a body cut short in transit is asked again here; what it holds is the caller's to read
        self.client
            .get_with(&self.request, |body| {
                check_json(body).map(|()| body.clone())
            })
            .await
            .map(Some)
    }

    /// Says where the page that was just read goes on; `None` where it was the last.
    ///
    /// # Errors
    /// [`GraphError`] with the reason `RefusedLink` where the link leads away from the endpoint, `PagingLoop` where it was followed
    /// before or too many pages came; terminal.
    pub fn follow(
        &mut self,
        next_link: Option<&str>,
        page_is_empty: bool,
    ) -> Result<(), GraphError> {
        let Some(link) = next_link else { return Ok(()) };
        let failed = |problem| GraphError::of(&self.request, problem);
        self.client.check_link(link).map_err(failed)?;
        if !self.seen.insert(blake3::hash(link.as_bytes())) {
            return Err(failed(Problem::PagingLoop));
        }
        self.empty_pages = if page_is_empty {
            self.empty_pages + 1
        } else {
            0
        };
        if self.empty_pages > MAX_EMPTY_PAGES {
            return Err(failed(Problem::TooManyEmptyPages(MAX_EMPTY_PAGES)));
        }
        if self.seen.len() > MAX_PAGES {
            return Err(failed(Problem::TooManyPages(MAX_PAGES)));
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

#[cfg(test)]
#[path = "paging_tests.rs"]
mod tests;
