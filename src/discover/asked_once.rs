//! What discovery asks once a run, however many sources and chunks need it: users by name, the lists of the whole tenant, and the
//! sessions of events that several chunks see.
//!
//! Only answers are kept: what failed is asked again by whoever needs it next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::flatten::Organizer;
use crate::graph::{GraphClient, GraphError, Pager, RequestKind};
use crate::model::ParseError;

/// Pages that are kept of all lists together, in bytes: some fifty thousand users. A list beyond that is read again by each chunk.
const KEPT_BYTES: usize = 16 << 20;

/// What was asked in this run and need not be asked again.
#[derive(Debug, Default)]
pub struct AskedOnce {
    /// By the path of the request; sources that run side by side wait for each other's answer.
    users: Mutex<HashMap<String, Arc<OnceCell<Organizer>>>>,
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    /// By the URL of the first page; each page's body as it came.
    pages: HashMap<String, Vec<Bytes>>,
    bytes: usize,
}

impl AskedOnce {
    /// A user, from an earlier answer or by `look_up`.
    ///
    /// # Errors
    /// [`GraphError`] of the request.
    pub(super) async fn user(
        &self,
        path: &[&str],
        look_up: impl Future<Output = Result<Organizer, GraphError>>,
    ) -> Result<Organizer, GraphError> {
        let cell = {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(users.entry(path.join("/").to_lowercase()).or_default())
        };
        cell.get_or_try_init(|| look_up).await.cloned()
    }

    /// The pages of a list, from Graph or as they were read before.
    pub(super) fn pages(&self, graph: &GraphClient, kind: RequestKind, url: String) -> Pages<'_> {
        Pages {
            keeper: Some(self),
            ..self.pages_for_now(graph, kind, url)
        }
    }

    /// The same of a list that no later chunk needs: it is not kept.
    pub(super) fn pages_for_now(
        &self,
        graph: &GraphClient,
        kind: RequestKind,
        url: String,
    ) -> Pages<'_> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lists.pages.get(&url).cloned().map(Vec::into_iter);
        drop(lists);
        Pages {
            keeper: None,
            kept,
            pager: graph.pager(graph.request(kind, url.clone())),
            url,
            read: Vec::new(),
            bytes: 0,
        }
    }

    fn keep(&self, url: String, pages: Vec<Bytes>, bytes: usize) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.bytes + bytes <= KEPT_BYTES && lists.pages.insert(url, pages).is_none() {
            lists.bytes += bytes;
        }
    }
}

/// A list, page by page: used as a [`Pager`] is.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    /// Who keeps the pages for later chunks.
    keeper: Option<&'a AskedOnce>,
    url: String,
    kept: Option<std::vec::IntoIter<Bytes>>,
    pager: Pager,
    /// The pages so far, as long as they are few.
    read: Vec<Bytes>,
    bytes: usize,
}

impl Pages<'_> {
    /// The next page's body; `None` after the last.
    ///
    /// # Errors
    /// [`GraphError`] of the request.
    pub(super) async fn next_page(&mut self) -> Result<Option<Bytes>, GraphError> {
        if let Some(kept) = &mut self.kept {
            return Ok(kept.next());
        }
        let page = self.pager.next_page().await?;
        if self.pager.begins_anew() {
            self.read.clear();
            self.bytes = 0;
        }
        let Some(keeper) = self.keeper else {
            return Ok(page);
        };
        if let Some(page) = &page {
            self.bytes += page.len();
            if self.bytes <= KEPT_BYTES {
                self.read.push(page.clone());
            } else {
                self.read.clear();
            }
        } else {
            let url = std::mem::take(&mut self.url);
            let read = std::mem::take(&mut self.read);
            keeper.keep(url, read, self.bytes);
        }
        Ok(page)
    }

    /// Whether the page that was just read is the list's first once more: what the pages before held comes again.
    pub(super) fn begins_anew(&self) -> bool {
        self.kept.is_none() && self.pager.begins_anew()
    }

    /// Says where the page that was just read goes on.
    ///
    /// # Errors
    /// As [`Pager::follow`].
    pub(super) fn follow(&mut self, next_link: Option<&str>) -> Result<(), GraphError> {
        match self.kept {
            Some(_) => Ok(()),
            None => self.pager.follow(next_link),
        }
    }

    /// The page that was just read is not what was asked for.
    pub(super) fn bad_response(&self, source: ParseError) -> GraphError {
        self.pager.bad_response(source)
    }
}
