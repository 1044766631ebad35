//! `/communications/callRecords`: every session that was held in the last thirty days, whoever organized it.

use serde_json::{Value, json};

use super::ask::Ask;
use super::errors::Refusal;
use crate::ids::stable_hash;
use crate::simulated_tenant::world::{Report, World, links};
use crate::time::{DAY, GraphTime, UtcMicros, parse_graph_time};

/// Graph keeps call records for thirty days; older ones are not listed and cannot be read.
const KEPT: i64 = 30 * DAY;
/// Call records on one page.
const PAGE: usize = 60;

/// A session that was held: its report, its join link and its organizer.
struct Call<'a> {
    report: &'a Report,
    join_web_url: Option<&'a str>,
    organizer: &'a str,
}

/// `GET /communications/callRecords`, with no filter but one on `startDateTime`.
pub(super) fn list(world: &World, ask: &Ask<'_>) -> Result<Value, Refusal> {
    let filter = StartFilter::read(ask.option("$filter"))?;
    let mut calls: Vec<Call<'_>> = calls(world)
        .filter(|call| filter.holds(call.report.start.at))
        .collect();
    calls.sort_by_key(|call| call.report.start.at);
    let print = |call| {
        let mut record = call_json(world, &call);
        ask.select(&mut record);
        record
    };
    ask.page(calls, print, PAGE, "$skiptoken")
}

/// `GET /communications/callRecords/{id}`.
pub(super) fn get(world: &World, ask: &Ask<'_>, id: &str) -> Result<Value, Refusal> {
    let call = calls(world)
        .find(|call| call_id(call.report) == id)
        .ok_or_else(|| Refusal::no_such_item("Call record"))?;
    let mut record = call_json(world, &call);
    ask.select(&mut record);
    Ok(ask.one(record))
}

fn calls(world: &World) -> impl Iterator<Item = Call<'_>> {
    let of_meetings = world.meetings.iter().flat_map(|meeting| {
        meeting.reports.iter().map(|report| Call {
            report,
            join_web_url: meeting.join_web_url.as_deref(),
            organizer: &meeting.organizer,
        })
    });
    let of_events = world.virtual_events.iter().flat_map(|event| {
        event.sessions.iter().flat_map(|session| {
            session.reports.iter().map(|report| Call {
                report,
                join_web_url: Some(&session.join_web_url),
                organizer: &event.organizer,
            })
        })
    });
    let now = world.settings.now;
    let oldest = now.plus(-KEPT);
    of_meetings
        .chain(of_events)
        .filter(move |call| call.report.start.at >= oldest && call.report.is_recorded(now))
}

/// A GUID that follows from the report, but is not its id.
fn call_id(report: &Report) -> String {
    links::guid(&stable_hash(["call record", &report.id]))
}

fn call_json(world: &World, call: &Call<'_>) -> Value {
    let organizer = json!({
        "id": call.organizer,
        "displayName": world.person(call.organizer).map(|person| &person.display_name),
        "tenantId": world.tenant_id,
    });
    json!({
        "id": call_id(call.report),
        "version": 1,
        "type": "groupCall",
        "modalities": ["audio", "video"],
        "startDateTime": call.report.start.to_string(),
        "endDateTime": call.report.end.to_string(),
        "lastModifiedDateTime": call.report.end.to_string(),
        "joinWebUrl": call.join_web_url,
        // past their announced removal: there, and without data
        "organizer": null,
        "participants": [],
        "organizer_v2": {
            "id": call.organizer,
            "identity": {"application": null, "device": null, "user": organizer},
        },
    })
}

/// Bounds on `startDateTime`, the one property that can be filtered on besides the participants.
#[derive(Debug, Default)]
struct StartFilter {
    from: Option<UtcMicros>,
    after: Option<UtcMicros>,
    until: Option<UtcMicros>,
    before: Option<UtcMicros>,
}

impl StartFilter {
    fn read(text: Option<&str>) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for condition in text.into_iter().flat_map(|text| text.split(" and ")) {
            let refused =
                || Refusal::new(400, "BadRequest", "The filter expression is not supported.");
            let mut words = condition.split_whitespace();
            let (Some("startDateTime"), Some(comparison), Some(value), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(refused());
            };
            let Ok(GraphTime::At(at)) = parse_graph_time(value) else {
                return Err(refused());
            };
            match comparison {
                "ge" => filter.from = Some(at),
                "gt" => filter.after = Some(at),
                "le" => filter.until = Some(at),
                "lt" => filter.before = Some(at),
                _ => return Err(refused()),
            }
        }
        Ok(filter)
    }

    fn holds(&self, at: UtcMicros) -> bool {
        self.from.is_none_or(|from| at >= from)
            && self.after.is_none_or(|after| at > after)
            && self.until.is_none_or(|until| at <= until)
            && self.before.is_none_or(|before| at < before)
    }
}
