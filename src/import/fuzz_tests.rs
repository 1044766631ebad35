//! Files that are almost attendance reports.

use jiff::tz::TimeZone;

use super::{DateOrder, ReadSettings, read_saved_report};
use crate::fuzz::fuzz;
use crate::ids::TenantId;
use crate::model;
use crate::time::UtcMicros;

#[test]
fn fault_100_fuzz_saved_reports() {
    let sections = super::layout_tests::SECTIONS;
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(sections.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let corpus: [&[u8]; 5] = [
        sections.as_bytes(),
        &wide,
        super::layout_tests::VISITS.as_bytes(),
        super::layout_tests::ACTIONS.as_bytes(),
        super::layout_tests::WEBINAR.as_bytes(),
    ];
    let words = [
        "Name",
        "First Join",
        "2. Participants",
        "3. x",
        "1/5/26, 9:00:12 AM",
        "29.02.2023 24:00",
        "9999-99-99 9:00",
        "1h 2m",
        "Joined",
        "Left",
        "\"",
        "\t",
        "\r\n",
        "\u{feff}",
        "(UPN)",
    ];
    let tenant = TenantId::new("7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11");
    fuzz(&corpus, &words, |input| {
        for (timezone, date_order) in [
            (TimeZone::UTC, None),
            (
                TimeZone::get("Europe/Berlin").unwrap(),
                Some(DateOrder::DayMonthYear),
            ),
        ] {
            let settings = ReadSettings {
                timezone,
                date_order,
                now: UtcMicros(4_000_000_000_000_000),
            };
            match read_saved_report(input, &settings) {
                // what was read is always what the bridge to the tables takes
                Ok(report) => {
                    let id = report.report_id(&tenant);
                    let document = report.document(&id);
                    assert!(model::parse_report(&document).is_ok());
                }
                Err(refusal) => {
                    assert!(!refusal.to_string().is_empty() && !refusal.remedy().is_empty());
                }
            }
        }
    });
}
