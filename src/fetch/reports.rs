//! The requests behind a meeting's attendance: resolve it, list its reports, fetch one whole.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::{FetchContext, LISTED_REPORTS};
use crate::discover::{LookUp, collection};
use crate::flatten::{JoinLink, NoUsableTime, ReportEntry, read_latest_report, read_report_list};
use crate::graph::{Budget, Cause, FailureReason, GraphError, GraphRequest, Pager, RequestKind};
use crate::ids::{EventId, OrganizerId, ReportId};
use crate::job::plan::{ReportsChoice, UserPath};
use crate::ledger::MeetingKey;
use crate::model::{self, Number};
use crate::time::UtcMicros;
use crate::warehouse::KeptReport;

/// A meeting whose id is known: where its reports lie.
#[derive(Debug, Clone)]
pub(super) struct ReportsPath {
    /// Online meeting, webinar or town hall.
    pub(super) event_id: EventId,
    segments: Vec<String>,
    budget: Budget,
    choice: ReportsChoice,
}

/// All that a meeting's list showed.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) entries: Vec<ReportEntry>,
    pub(super) unusable: usize,
    /// Why the list ends before its last page.
    pub(super) cut: Option<Arc<GraphError>>,
    /// Reports that came with the list, or were needed to tell when they were held.
    pub(super) here: HashMap<ReportId, Had>,
    /// The earliest join of reports that the list gives no start of.
    pub(super) first_joins: HashMap<ReportId, UtcMicros>,
}

/// A report that was had.
#[derive(Debug, Clone)]
pub(super) struct Had {
    pub(super) bodies: KeptReport,
    /// Whether this run fetched it, not one that ended early.
    pub(super) is_new: bool,
    /// How many records it has, where it counts more.
    pub(super) short_of: Option<i32>,
}

impl Listing {
    /// Since when a report was held, as far as anything tells.
    pub(super) fn held_from(&self, entry: &ReportEntry) -> Option<UtcMicros> {
        entry
            .start
            .or_else(|| self.first_joins.get(&entry.report_id).copied())
    }
}

impl ReportsPath {
    /// How many reports Graph lists at most.
    pub(super) fn cap(&self) -> usize {
        match self.choice {
            ReportsChoice::All => LISTED_REPORTS,
            ReportsChoice::Latest => 1,
        }
    }

    /// The reports of an online meeting, under its organizer.
    pub(super) fn online_meeting(
        context: &FetchContext,
        organizer: &OrganizerId,
        event_id: EventId,
    ) -> Self {
        let mut segments = context.user_path.segments(organizer.as_str());
        let reports = match context.reports {
            ReportsChoice::All => "attendanceReports",
            ReportsChoice::Latest => "meetingAttendanceReport",
        };
        segments.extend(["onlineMeetings", event_id.as_str(), reports]);
        Self {
            segments: segments.into_iter().map(str::to_owned).collect(),
            event_id,
            budget: Budget::Attendance,
            choice: context.reports,
        }
    }

    fn request(
        &self,
        context: &FetchContext,
        kind: RequestKind,
        tail: &[&str],
        query: &[(&str, &str)],
    ) -> GraphRequest {
        let segments: Vec<&str> = self
            .segments
            .iter()
            .map(String::as_str)
            .chain(tail.iter().copied())
            .collect();
        context
            .graph
            .request(kind, context.graph.url_with_query(&segments, query))
            .budget(self.budget)
    }
}

/// Finds where a meeting's reports lie: without a request for virtual events and for meetings whose id is known.
///
/// # Errors
/// [`GraphError`]; with the cause `MeetingNotFound` where no meeting has the link.
pub(super) async fn resolve(
    context: &FetchContext,
    meeting: &MeetingKey,
    known_id: Option<EventId>,
) -> Result<ReportsPath, GraphError> {
    match meeting {
        MeetingKey::VirtualSession(source, event_id, session_id) => {
            let segments = [
                "solutions",
                "virtualEvents",
                collection(*source),
                event_id.as_str(),
                "sessions",
                session_id,
                "attendanceReports",
            ];
            Ok(ReportsPath {
                segments: segments.map(str::to_owned).to_vec(),
                event_id: event_id.clone(),
                budget: Budget::VirtualEvents,
                choice: ReportsChoice::All,
            })
        }
        MeetingKey::OnlineMeeting(organizer, event_id) => Ok(ReportsPath::online_meeting(
            context,
            organizer,
            event_id.clone(),
        )),
        MeetingKey::JoinUrl(organizer, link) => {
            if let Some(id) = known_id {
                return Ok(ReportsPath::online_meeting(context, organizer, id));
            }
            let (owner, id) = find_under_owner(context, organizer, link).await?;
            Ok(ReportsPath::online_meeting(context, &owner, id))
        }
    }
}

/// Looks a meeting up under whose calendar shows it, else under whom its link names: a delegate's, a shared mailbox's and a
/// co-organizer's calendar show meetings of somebody else.
async fn find_under_owner(
    context: &FetchContext,
    organizer: &OrganizerId,
    link: &str,
) -> Result<(OrganizerId, EventId), GraphError> {
    let refused = match find_meeting(context, organizer, link).await {
        Ok(id) => return Ok((organizer.clone(), id)),
        Err(refused) => refused,
    };
    let Some(owner) = other_owner(context, organizer, link, &refused) else {
        return Err(refused);
    };
    match find_meeting(context, &owner, link).await {
        Ok(id) => Ok((owner, id)),
        // what may pass is worth another try; else the first answer is the one about the calendar's owner
        Err(error) if error.is_transient() => Err(error),
        Err(_) => Err(refused),
    }
}

/// Whom a join link names beside the organizer, where Graph refuses the organizer as somebody who does not own the meeting.
///
/// With a user's token Graph answers under nobody else.
pub(super) fn other_owner(
    context: &FetchContext,
    organizer: &OrganizerId,
    link: &str,
    refused: &GraphError,
) -> Option<OrganizerId> {
    let may_be_anothers = matches!(
        refused.cause(),
        Cause::NotOrganizer | Cause::MeetingNotFound | Cause::UserNotFound
    );
    if !may_be_anothers || context.user_path != UserPath::ById {
        return None;
    }
    let JoinLink::Long {
        organizer: owner,
        tenant,
        ..
    } = JoinLink::read(link)
    else {
        return None;
    };
    let is_ours = tenant.is_none_or(|tenant| tenant == context.tenant);
    owner.filter(|owner| is_ours && !owner.as_str().eq_ignore_ascii_case(organizer.as_str()))
}

async fn find_meeting(
    context: &FetchContext,
    organizer: &OrganizerId,
    link: &str,
) -> Result<EventId, GraphError> {
    context.tally.ids_looked_up.add(1);
    tracing::debug!(
        route = "looked_up",
        "the meeting is looked up by its join link"
    );
    let look_up = LookUp {
        graph: &context.graph,
        user_path: context.user_path,
        organizer,
    };
    let found = look_up.by_link(link).await?;
    if found.is_of_channel {
        // its list would show the reports of the whole channel
        return Err(GraphError::channel_meeting());
    }
    Ok(found.id)
}

/// What the meeting of a link is most likely called, where the job allows that guess.
pub(super) fn likely_path(context: &FetchContext, meeting: &MeetingKey) -> Option<ReportsPath> {
    let MeetingKey::JoinUrl(organizer, link) = meeting else {
        return None;
    };
    let id = JoinLink::read(link)
        .likely_meeting_id(organizer)
        // there a wrong id could not be told from a meeting that was not held
        .filter(|_| context.derive_ids && context.reports == ReportsChoice::All)?;
    Some(ReportsPath::online_meeting(context, organizer, id))
}

/// Lists a meeting's reports; one that comes twice counts once. Where a later page fails, those of the pages before are listed.
///
/// # Errors
/// [`GraphError`] of the first page.
pub(super) async fn list(
    context: &FetchContext,
    path: &ReportsPath,
) -> Result<Listing, GraphError> {
    if path.choice == ReportsChoice::Latest {
        return latest(context, path).await;
    }
    let mut pager = context
        .graph
        .pager(path.request(context, RequestKind::ListReports, &[], &[]));
    let mut listing = Listing::default();
    let mut seen = BTreeSet::new();
    let mut has_begun = false;
    loop {
        match next_page(&mut pager, &mut listing, &mut seen).await {
            Ok(true) => has_begun = true,
            Ok(false) => return Ok(listing),
            // a link that is not followed is met after its page was read
            Err(error) if has_begun || !seen.is_empty() => {
                listing.cut = Some(Arc::new(error));
                return Ok(listing);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Adds a page to the listing; whether there was one.
async fn next_page(
    pager: &mut Pager,
    listing: &mut Listing,
    seen: &mut BTreeSet<ReportId>,
) -> Result<bool, GraphError> {
    let Some(body) = pager.next_page().await? else {
        return Ok(false);
    };
    if pager.begins_anew() {
        *listing = Listing::default();
        seen.clear();
    }
    let page = read_report_list(&body).map_err(|source| pager.bad_response(source))?;
    listing.unusable += page.unusable;
    let entries = page.entries.into_iter();
    listing
        .entries
        .extend(entries.filter(|entry| seen.insert(entry.report_id.folded().into_owned())));
    pager.follow(page.next_link.as_deref())?;
    Ok(true)
}

/// The newest report of an online meeting by the deprecated path, which gives neither an id nor times of its own.
///
/// Source: <https://learn.microsoft.com/graph/api/meetingattendancereport-get>, beta.
async fn latest(context: &FetchContext, path: &ReportsPath) -> Result<Listing, GraphError> {
    let request = path.request(
        context,
        RequestKind::GetReport,
        &[],
        &[("$expand", "attendanceRecords")],
    );
    let answer = context
        .graph
        .get_with(&request, |body| {
            Ok((body.clone(), model::scan_report(body)?))
        })
        .await;
    let (report, shape) = match answer {
        Ok(answer) => answer,
        // the meeting is there, and was not held yet
        Err(error) if error.reason() == FailureReason::Gone && error.cause() == Cause::Other => {
            return Ok(Listing::default());
        }
        Err(error) => return Err(error),
    };
    let pager = match (shape.inline, shape.next_link.as_deref()) {
        (Some(_), None) => None,
        (_, Some(link)) => {
            let request = request.with_kind(RequestKind::ListRecords);
            Some(context.graph.pager_from_link(&request, link)?)
        }
        (None, None) => Some(context.graph.pager(path.request(
            context,
            RequestKind::ListRecords,
            &["attendanceRecords"],
            &[],
        ))),
    };
    let record_pages = match pager {
        Some(pager) => record_pages(pager).await?.1,
        None => Vec::new(),
    };
    let entry = read_latest_report(&path.event_id, &report, &record_pages)
        .map_err(|source| GraphError::bad_response(&request, source))?;
    let bodies = KeptReport {
        report,
        inline_records: shape.inline.is_some(),
        record_pages,
    };
    Ok(match entry {
        Ok(Some(entry)) => Listing {
            here: HashMap::from([(
                entry.report_id.clone(),
                Had {
                    bodies,
                    is_new: true,
                    short_of: None,
                },
            )]),
            entries: vec![entry],
            ..Listing::default()
        },
        Ok(None) => Listing::default(),
        Err(NoUsableTime) => Listing {
            unusable: 1,
            ..Listing::default()
        },
    })
}

/// Fetches what is listed without a start and not published yet: which session it is of, and of which day, its joins tell.
///
/// They are held until they are staged: Graph lists no more than 50. One that cannot be had now is asked again as what the list says of it.
pub(super) async fn date_undated(
    context: &FetchContext,
    path: &ReportsPath,
    listing: &mut Listing,
) {
    let undated: Vec<_> = { listing.entries.iter() }
        .filter(|entry| entry.start.is_none() && context.known.report(&entry.report_id).is_none())
        .cloned()
        .collect();
    for entry in undated {
        // the semaphore is never closed
        let slot = context.slots.acquire().await;
        let had = adopt_or_fetch(context, path, &entry).await;
        drop(slot);
        let Ok(had) = had else {
            continue;
        };
        let (report, pages) = (&had.bodies.report, &had.bodies.record_pages);
        let dated = read_latest_report(&path.event_id, report, pages);
        if let Ok(Ok(Some(dated))) = dated {
            let first_join = dated.start.map(|start| (entry.report_id.clone(), start));
            listing.first_joins.extend(first_join);
        }
        listing.here.insert(entry.report_id, had);
    }
}

/// The report as a run that ended early left it, else as Graph gives it now; and whether it had to be fetched.
///
/// # Errors
/// As [`fetch_whole`].
pub(super) async fn adopt_or_fetch(
    context: &FetchContext,
    path: &ReportsPath,
    entry: &ReportEntry,
) -> Result<Had, GraphError> {
    match adopted(context, path, entry).await {
        Some(bodies) => Ok(Had {
            short_of: kept_short_of(&bodies, entry),
            bodies,
            is_new: false,
        }),
        None => fetch_whole(context, path, entry).await,
    }
}

/// The report as a run that ended early fetched it, if the list still says the same of it.
async fn adopted(
    context: &FetchContext,
    path: &ReportsPath,
    entry: &ReportEntry,
) -> Option<KeptReport> {
    if context.adopted.is_empty() {
        return None;
    }
    let (adopted, key) = (
        Arc::clone(&context.adopted),
        context.known.key_of_kept(&path.event_id, entry),
    );
    // one that cannot be read any longer is fetched again
    tokio::task::spawn_blocking(move || adopted.report(&key))
        .await
        .ok()?
}

/// How many records a kept report has, where it counts more.
fn kept_short_of(kept: &KeptReport, entry: &ReportEntry) -> Option<i32> {
    let shape = model::scan_report(&kept.report).ok()?;
    let inline = shape.inline.filter(|_| kept.inline_records).unwrap_or(0);
    let pages = kept.record_pages.iter().map(|page| model::scan_page(page));
    let pages: usize = pages.flatten().map(|page| page.items).sum();
    short_of(
        inline + pages,
        participants(shape.total_participant_count, entry),
    )
}

/// How many participants a report counts.
fn participants(own: Option<Number>, entry: &ReportEntry) -> Option<i32> {
    match own {
        Some(Number::Int(count)) => Some(count),
        Some(Number::Unreadable) | None => entry.total_participant_count,
    }
}

fn short_of(records: usize, participants: Option<i32>) -> Option<i32> {
    let records = i32::try_from(records).unwrap_or(i32::MAX);
    participants
        .is_some_and(|participants| participants > records)
        .then_some(records)
}

/// Fetches a report with all its records.
///
/// The report is asked with its records inside. Where that is too much to come in time, or they are absent, null or fewer than the
/// participants that Graph counted, the records are asked by themselves, once, and the larger set is kept.
/// Source: <https://learn.microsoft.com/graph/api/meetingattendancereport-get>, <https://learn.microsoft.com/graph/api/attendancerecord-list>.
///
/// # Errors
/// [`GraphError`] of the request that failed; with the reason `IdMismatch` where the answer is about another report.
async fn fetch_whole(
    context: &FetchContext,
    path: &ReportsPath,
    entry: &ReportEntry,
) -> Result<Had, GraphError> {
    let had = |bodies, short_of| Had {
        bodies,
        is_new: true,
        short_of,
    };
    let id = entry.report_id.as_str();
    let request = path.request(
        context,
        RequestKind::GetReport,
        &[id],
        &[("$expand", "attendanceRecords")],
    );
    let request = request.may_shrink();
    let read = |body: &Bytes| Ok((body.clone(), model::scan_report(body)?));
    let (report, shape) = match context.graph.get_with(&request, read).await {
        Err(error) if error.is_too_much() => {
            let alone = path.request(context, RequestKind::GetReport, &[id], &[]);
            context.graph.get_with(&alone, read).await?
        }
        answered => answered?,
    };
    let is_another = |answered: &str| !answered.eq_ignore_ascii_case(id);
    if shape.id.as_deref().is_some_and(is_another) {
        return Err(GraphError::id_mismatch(&request));
    }
    let participants = participants(shape.total_participant_count, entry);
    let more = match shape.next_link.as_deref() {
        Some(link) => {
            let pager = context
                .graph
                .pager_from_link(&request.with_kind(RequestKind::ListRecords), link)?;
            match record_pages(pager).await {
                // they are read from their start, by themselves
                Err(error) if error.is_of_expired_page() => None,
                read => Some(read?),
            }
        }
        None => Some((0, Vec::new())),
    };
    let inline_count =
        { shape.inline.zip(more.as_ref()) }.map(|(inline, (count, _))| inline + count);
    let more = more.map(|(_, pages)| pages).unwrap_or_default();
    let is_whole = match (inline_count, participants) {
        (Some(inline), Some(participants)) => {
            usize::try_from(participants).map_or(true, |participants| inline >= participants)
        }
        (Some(inline), None) => inline > 0,
        (None, _) => false,
    };
    if is_whole {
        let bodies = KeptReport {
            report,
            inline_records: true,
            record_pages: more,
        };
        return Ok(had(bodies, None));
    }
    let pager = context.graph.pager(path.request(
        context,
        RequestKind::ListRecords,
        &[id, "attendanceRecords"],
        &[],
    ));
    let (count, apart) = record_pages(pager).await?;
    let short_of = short_of(count.max(inline_count.unwrap_or(0)), participants);
    let bodies = match inline_count {
        Some(inline) if inline >= count => KeptReport {
            report,
            inline_records: true,
            record_pages: more,
        },
        _ => KeptReport {
            report,
            inline_records: false,
            record_pages: apart,
        },
    };
    Ok(had(bodies, short_of))
}

/// All pages of records, and how many records they hold.
async fn record_pages(mut pager: Pager) -> Result<(usize, Vec<Bytes>), GraphError> {
    let mut bodies = Vec::new();
    let mut count = 0;
    while let Some(body) = pager.next_page().await? {
        if pager.begins_anew() {
            bodies.clear();
            count = 0;
        }
        let shape = model::scan_page(&body).map_err(|source| pager.bad_response(source))?;
        pager.follow(shape.next_link.as_deref())?;
        count += shape.items;
        bodies.push(body);
    }
    Ok((count, bodies))
}
