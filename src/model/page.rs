//! Bodies: a page of a collection, a single entity, and the quick look that fetching needs.
//!
//! An item that cannot be read must not take the others with it. `serde_json` cannot go on after a failed item, so a body is first
//! read in one go, and only where that fails item by item.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::reports::{AttendanceRecord, MeetingAttendanceReport};
use super::scalars::{Number, Text};

/// The body is not the JSON that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not the JSON that was asked for")]
pub struct ParseError(#[source] serde_json::Error);

impl From<serde_json::Error> for ParseError {
    fn from(source: serde_json::Error) -> Self {
        Self(source)
    }
}

/// An item that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its place in the body, from 0.
    pub position: usize,
    /// What `serde_json` found, without the item's content.
    pub reason: String,
}

/// One page of a collection.
#[derive(Debug)]
pub struct Page<'a, T> {
    /// The items that could be read, in the order they came.
    pub items: Vec<T>,
    /// The others.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page is, byte for byte.
    pub next_link: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Collection<'a, T> {
    value: Option<Vec<T>>,
    #[serde(borrow, rename = "@odata.nextLink")]
    next_link: Option<Text<'a>>,
}

/// Reads a page of a collection; items that cannot be read are told apart.
///
/// # Errors
/// [`ParseError`] where the body is no JSON object with a `value` array.
pub fn parse_page<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Page<'a, T>, ParseError> {
    let body = without_byte_order_mark(body);
    let (items, unreadable, next_link) =
        if let Ok(page) = serde_json::from_slice::<Collection<'a, T>>(body) {
            (page.value, Vec::new(), page.next_link)
        } else {
            let page: Collection<'a, &'a RawValue> = serde_json::from_slice(body)?;
            let (items, unreadable) = page.value.map(one_by_one).unzip();
            (items, unreadable.unwrap_or_default(), page.next_link)
        };
    let items = items.ok_or_else(|| ParseError(serde::de::Error::missing_field("value")))?;
    Ok(Page {
        items,
        unreadable,
        next_link,
    })
}

/// Reads a single entity, bare or, as some documentation pages print it, inside `{"value": {…}}`.
///
/// # Errors
/// [`ParseError`] where the body is no such object.
pub fn parse_entity<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ParseError> {
    let body = without_byte_order_mark(body);
    if let Ok(Wrapped { value: Some(value) }) = serde_json::from_slice::<Wrapped<'a>>(body)
        && value.get().starts_with('{')
    {
        return Ok(serde_json::from_str(value.get())?);
    }
    Ok(serde_json::from_slice(body)?)
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// Reads a report with its expanded records; records that cannot be read are told apart.
///
/// # Errors
/// [`ParseError`] where the body is no report.
pub fn parse_report(
    body: &[u8],
) -> Result<
    (
        MeetingAttendanceReport<'_, AttendanceRecord<'_>>,
        Vec<Unreadable>,
    ),
    ParseError,
> {
    let body = without_byte_order_mark(body);
    if let Ok(report) = serde_json::from_slice(body) {
        return Ok((report, Vec::new()));
    }
    let report: MeetingAttendanceReport<'_, &RawValue> = serde_json::from_slice(body)?;
    let (records, unreadable) = report.attendance_records.map(one_by_one).unzip();
    let report = MeetingAttendanceReport {
        id: report.id,
        total_participant_count: report.total_participant_count,
        meeting_start_date_time: report.meeting_start_date_time,
        meeting_end_date_time: report.meeting_end_date_time,
        external_event_information: report.external_event_information,
        attendance_records: records,
        attendance_records_next_link: report.attendance_records_next_link,
        extra: report.extra,
    };
    Ok((report, unreadable.unwrap_or_default()))
}

/// Whether a body is whole JSON, without reading it.
///
/// # Errors
/// [`ParseError`] where it is not.
pub fn check_json(body: &[u8]) -> Result<(), ParseError> {
    let _: IgnoredAny = serde_json::from_slice(without_byte_order_mark(body))?;
    Ok(())
}

/// What each item of a page is known by: the text of its `id` where it has one and `by_id` says so, else its whole JSON text.
///
/// # Errors
/// [`ParseError`] where the body is no JSON object with a `value` array, or holds bytes that are no UTF-8.
pub fn keys_of_items(body: &[u8], by_id: bool) -> Result<Vec<&str>, ParseError> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let page: Collection<'_, &RawValue> = serde_json::from_slice(without_byte_order_mark(body))?;
    let items = page.value.unwrap_or_default().into_iter();
    Ok(items
        .map(|item| {
            let named: Option<Named<'_>> = serde_json::from_str(item.get()).ok();
            let id = named.and_then(|named| named.id).filter(|_| by_id);
            id.map_or(item.get(), RawValue::get)
        })
        .collect())
}

/// What fetching must know of a page, without reading its items.
#[derive(Debug, PartialEq, Eq)]
pub struct PageShape {
    /// How many items it holds.
    pub items: usize,
    /// Where the next page is.
    pub next_link: Option<String>,
}

/// Counts a page's items and finds its next link.
///
/// # Errors
/// [`ParseError`] where the body is no JSON object with a `value` array.
pub fn scan_page(body: &[u8]) -> Result<PageShape, ParseError> {
    let page: Page<'_, IgnoredAny> = parse_page(body)?;
    Ok(PageShape {
        items: page.items.len(),
        next_link: page.next_link.map(Text::into_string),
    })
}

/// What fetching must know of a report, without reading its records.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordsShape {
    /// The report's id, to hold against the one that was asked for.
    pub id: Option<String>,
    /// How many records Graph says there are.
    pub total_participant_count: Option<Number>,
    /// How many came inside the report; `None` where the property is absent or null.
    pub inline: Option<usize>,
    /// Where the rest of them is.
    pub next_link: Option<String>,
}

/// Counts the records inside a report.
///
/// # Errors
/// [`ParseError`] where the body is no report.
pub fn scan_report(body: &[u8]) -> Result<RecordsShape, ParseError> {
    let report: MeetingAttendanceReport<'_, IgnoredAny> =
        serde_json::from_slice(without_byte_order_mark(body))?;
    Ok(RecordsShape {
        id: report.id.map(Text::into_string),
        total_participant_count: report.total_participant_count,
        inline: report.attendance_records.map(|records| records.len()),
        next_link: report.attendance_records_next_link.map(Text::into_string),
    })
}

fn one_by_one<'a, T: Deserialize<'a>>(values: Vec<&'a RawValue>) -> (Vec<T>, Vec<Unreadable>) {
    let mut items = Vec::with_capacity(values.len());
    let mut unreadable = Vec::new();
    for (position, value) in values.into_iter().enumerate() {
        match serde_json::from_str(value.get()) {
            Ok(item) => items.push(item),
            Err(error) => unreadable.push(Unreadable {
                position,
                reason: kind_of(&error).to_owned(),
            }),
        }
    }
    (items, unreadable)
}

/// `serde_json`'s own messages quote the value they met, which may be personal.
fn kind_of(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a property has another type than documented",
        serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof
        | serde_json::error::Category::Io => "not JSON",
    }
}

fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::User;

    #[test]
    fn one_unreadable_item_leaves_the_others() {
        let body = br#"{"value":[{"id":"a"},{"id":5},"x",{"id":"b","new":{"deep":1}}],"@odata.nextLink":"http://x/?$skiptoken=%2B"}"#;
        let page: Page<'_, User<'_>> = parse_page(body).unwrap();
        let ids: Vec<_> = page
            .items
            .iter()
            .filter_map(|user| user.id.as_ref())
            .map(AsRef::as_ref)
            .collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(
            page.unreadable
                .iter()
                .map(|item| item.position)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(page.next_link.unwrap().as_ref(), "http://x/?$skiptoken=%2B");
        let (name, value) = &page.items[1].extra[0];
        assert_eq!((name.as_ref(), value.get()), ("new", r#"{"deep":1}"#));
    }

    #[test]
    fn a_page_without_items_array_is_no_page() {
        for body in [
            &b"{}"[..],
            b"[]",
            b"",
            b"{\"value\":null}",
            b"{\"value\":{}}",
            b"{\"value\":[{\"id\":\"a\"}",
        ] {
            assert!(
                parse_page::<User<'_>>(body).is_err(),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn a_byte_order_mark_and_duplicate_keys_are_read() {
        let page: Page<'_, User<'_>> =
            parse_page(b"\xef\xbb\xbf{\"value\":[{\"id\":\"a\",\"id\":\"b\"}]}").unwrap();
        assert_eq!(page.items[0].id.as_ref().unwrap().as_ref(), "b");
    }

    #[test]
    fn fault_51_deep_nesting_is_an_unreadable_item_and_no_crash() {
        let deep = format!(
            "{{\"value\":[{{\"id\":{}{}}},{{\"id\":\"b\"}}]}}",
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        let page: Page<'_, User<'_>> = parse_page(deep.as_bytes()).unwrap();
        assert_eq!((page.items.len(), page.unreadable.len()), (1, 1));
    }

    #[test]
    fn a_report_says_how_many_records_came_with_it() {
        let shape = |body: &[u8]| {
            let shape = scan_report(body).unwrap();
            (shape.inline, shape.total_participant_count, shape.next_link)
        };
        assert_eq!(
            shape(br#"{"id":"r","totalParticipantCount":2}"#),
            (None, Some(Number::Int(2)), None)
        );
        assert_eq!(
            shape(br#"{"id":"r","attendanceRecords":null}"#),
            (None, None, None)
        );
        assert_eq!(
            shape(
                br#"{"id":"r","attendanceRecords":[{},{}],"attendanceRecords@odata.nextLink":"l"}"#
            ),
            (Some(2), None, Some("l".to_owned()))
        );
    }

    #[test]
    fn an_unreadable_record_leaves_the_report_and_the_others() {
        let body = br#"{"id":"r","attendanceRecords":[{"emailAddress":1},{"emailAddress":"a"}]}"#;
        let (report, unreadable) = parse_report(body).unwrap();
        assert_eq!(report.attendance_records.unwrap().len(), 1);
        assert_eq!(unreadable[0].position, 0);
    }
}
