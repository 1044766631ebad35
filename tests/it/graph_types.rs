//! Holds JSON against the types of Graph's metadata document: names, types, nullability, enum members.
//!
//! `tests/fixtures/graph-types.json` has the types that the simulated tenant answers with. Annotations (`@odata.…`) are skipped;
//! `@odata.type` names the derived type to check against. Types that the fixture leaves out are taken as they come.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The metadata, as the fixture keeps it.
#[derive(Debug, Deserialize)]
pub(crate) struct GraphTypes {
    enums: BTreeMap<String, Vec<String>>,
    types: BTreeMap<String, TypeSpec>,
}

#[derive(Debug, Deserialize)]
struct TypeSpec {
    base: Option<String>,
    #[serde(default)]
    open: bool,
    /// Property name to its type; a `!` at the end says that it is never null.
    properties: BTreeMap<String, String>,
    #[serde(default)]
    navigation: BTreeMap<String, String>,
}

impl GraphTypes {
    pub(crate) fn load() -> Self {
        serde_json::from_str(include_str!("../fixtures/graph-types.json")).unwrap()
    }

    /// What is wrong with an object that should be of a type; empty where nothing is.
    pub(crate) fn complaints(&self, type_name: &str, object: &Value) -> Vec<String> {
        let mut complaints = Vec::new();
        self.check_value(type_name, object, type_name, &mut complaints);
        complaints
    }

    fn check_value(&self, wanted: &str, value: &Value, place: &str, complaints: &mut Vec<String>) {
        let (wanted, is_required) = match wanted.strip_suffix('!') {
            Some(wanted) => (wanted, true),
            None => (wanted, false),
        };
        if value.is_null() {
            if is_required {
                complaints.push(format!("{place}: null, but never null in the metadata"));
            }
            return;
        }
        if let Some(item) = wanted
            .strip_prefix("Collection(")
            .and_then(|rest| rest.strip_suffix(')'))
        {
            let Some(items) = value.as_array() else {
                complaints.push(format!("{place}: {value} is no collection"));
                return;
            };
            for (position, one) in items.iter().enumerate() {
                self.check_value(item, one, &format!("{place}[{position}]"), complaints);
            }
            return;
        }
        let fits = match wanted {
            "Edm.String" | "Edm.Stream" => value.is_string(),
            "Edm.Boolean" => value.is_boolean(),
            "Edm.Int32" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            "Edm.Int64" => value.as_i64().is_some(),
            "Edm.DateTimeOffset" => value.as_str().is_some_and(is_date_time_offset),
            name if name.starts_with("Edm.") => {
                panic!("{name} is not known to the checker")
            }
            name => {
                if let Some(members) = self.enums.get(name) {
                    value
                        .as_str()
                        .is_some_and(|text| members.iter().any(|member| member == text))
                } else if self.types.contains_key(name) {
                    if let Some(object) = value.as_object() {
                        self.check_object(name, object, place, complaints);
                    }
                    value.is_object()
                } else {
                    true
                }
            }
        };
        if !fits {
            complaints.push(format!("{place}: {value} is no {wanted}"));
        }
    }

    fn check_object(
        &self,
        declared: &str,
        object: &Map<String, Value>,
        place: &str,
        complaints: &mut Vec<String>,
    ) {
        let named = object.get("@odata.type").and_then(Value::as_str);
        let actual = named
            .map(|name| name.trim_start_matches('#'))
            .map_or(declared, |name| {
                name.strip_prefix("microsoft.graph.").unwrap_or(name)
            });
        let lineage = self.lineage(actual);
        if lineage.is_empty() {
            complaints.push(format!("{place}: {actual} is no type of the metadata"));
            return;
        }
        if !lineage.iter().any(|(name, _)| *name == declared) {
            complaints.push(format!("{place}: {actual} does not derive from {declared}"));
        }
        let is_open = lineage.iter().any(|(_, spec)| spec.open);
        for (name, value) in object {
            if name.contains("@odata.") {
                continue;
            }
            let wanted = lineage.iter().find_map(|(_, spec)| {
                spec.properties
                    .get(name)
                    .or_else(|| spec.navigation.get(name))
            });
            let place = format!("{place}.{name}");
            match wanted {
                Some(wanted) => self.check_value(wanted, value, &place, complaints),
                None if is_open => {}
                None => complaints.push(format!("{place}: not in the metadata")),
            }
        }
    }

    /// A type and all its bases; empty where it is not known.
    fn lineage<'a>(&'a self, name: &'a str) -> Vec<(&'a str, &'a TypeSpec)> {
        let mut lineage = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next {
            let Some(spec) = self.types.get(name) else {
                break;
            };
            lineage.push((name, spec));
            next = spec.base.as_deref();
        }
        lineage
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.fffffff]` with `Z` or an offset.
fn is_date_time_offset(text: &str) -> bool {
    let Some((head, tail)) = text.split_at_checked(19) else {
        return false;
    };
    let shape = "dddd-dd-ddTdd:dd:dd";
    let fits = head.bytes().zip(shape.bytes()).all(|(byte, shape)| {
        if shape == b'd' {
            byte.is_ascii_digit()
        } else {
            byte == shape
        }
    });
    let zone = tail.strip_prefix('.').map_or(tail, |fraction| {
        fraction.trim_start_matches(|letter: char| letter.is_ascii_digit())
    });
    let digits = tail.len().saturating_sub(zone.len());
    fits && digits <= 8 && digits != 1 && (zone == "Z" || zone.starts_with(['+', '-']))
}

mod tests {
    use super::*;
    use serde_json::json;

    fn complaints(type_name: &str, object: &Value) -> Vec<String> {
        GraphTypes::load().complaints(type_name, object)
    }

    #[test]
    fn a_good_record_has_no_complaint() {
        let record = json!({"id": "a", "emailAddress": null, "role": "Attendee",
            "identity": {"@odata.type": "#microsoft.graph.communicationsGuestIdentity", "id": null, "email": "a@b", "extra": 1},
            "attendanceIntervals": [{"joinDateTime": "2021-10-05T04:38:27.6027225Z", "leaveDateTime": null, "durationInSeconds": 0}]});
        assert_eq!(
            complaints("attendanceRecord", &record),
            Vec::<String>::new()
        );
    }

    #[test]
    fn each_wrong_property_has_one_complaint() {
        for (type_name, wrong) in [
            ("attendanceRecord", json!({"email": "a@b"})),
            ("attendanceRecord", json!({"id": null})),
            ("attendanceRecord", json!({"role": 1})),
            (
                "attendanceRecord",
                json!({"totalAttendanceInSeconds": "12"}),
            ),
            (
                "attendanceRecord",
                json!({"totalAttendanceInSeconds": 3_000_000_000_i64}),
            ),
            ("attendanceRecord", json!({"attendanceIntervals": {}})),
            (
                "attendanceRecord",
                json!({"attendanceIntervals": [{"join": null}]}),
            ),
            (
                "attendanceRecord",
                json!({"identity": {"@odata.type": "#microsoft.graph.itemBody"}}),
            ),
            (
                "attendanceRecord",
                json!({"identity": {"@odata.type": "#microsoft.graph.nobody"}}),
            ),
            (
                "meetingAttendanceReport",
                json!({"meetingStartDateTime": "2021-10-05"}),
            ),
            (
                "meetingAttendanceReport",
                json!({"meetingStartDateTime": "2021-10-05T04:38:27.12345678Z"}),
            ),
            ("virtualEventWebinar", json!({"status": "Published"})),
            ("virtualEventWebinar", json!({"description": "plain"})),
            (
                "event",
                json!({"start": {"dateTime": null, "timeZone": "UTC"}}),
            ),
        ] {
            assert_eq!(complaints(type_name, &wrong).len(), 1, "{wrong}");
        }
    }
}
