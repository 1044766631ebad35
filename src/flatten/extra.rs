//! Properties that the contract does not know, on their way to `_extra`.

use std::collections::BTreeMap;

use crate::model::{Extra, ZonedTime};

/// Unknown properties of one row, keyed by their path from the row's object.
///
/// ```text
/// {"engagements": [], "identity": {"email": "x"}}   ─►   {"engagements":[],"identity.email":"x"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct ExtraProperties<'a>(BTreeMap<String, &'a str>);

impl<'a> ExtraProperties<'a> {
    /// Adds the unknown properties of an object that lies at `path` (empty for the row's own object).
    pub(super) fn add(&mut self, path: &str, extra: &Extra<'a>) {
        for (name, value) in extra {
            let key = if path.is_empty() {
                name.as_ref().to_owned()
            } else {
                format!("{path}.{}", name.as_ref())
            };
            self.0.insert(key, value.get());
        }
    }

    /// The same for a time with its zone, where there is one.
    pub(super) fn add_time(&mut self, path: &str, time: Option<&ZonedTime<'a>>) {
        if let Some(time) = time {
            self.add(path, &time.extra);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The JSON object, with its keys in order; `None` where there are none.
    pub(super) fn to_json(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut json = String::from("{");
        for (index, (path, value)) in self.0.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            // a string always serialises
            json.push_str(&serde_json::Value::from(path.as_str()).to_string());
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        Some(json)
    }
}
