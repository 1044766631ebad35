//! Properties that the contract does not know, on their way to `_extra`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::{Extra, ZonedTime};
use crate::time::is_assumed_utc;

/// Unknown properties of one row, keyed by their path from the row's object.
///
/// ```text
/// {"engagements": [], "identity": {"email": "x"}}   ─►   {"engagements":[],"identity.email":"x"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct ExtraProperties<'a> {
    values: BTreeMap<String, Cow<'a, str>>,
    /// How many of them are known, and stand here because no column has them.
    known: usize,
}

impl<'a> ExtraProperties<'a> {
    /// Adds the unknown properties of an object that lies at `path` (empty for the row's own object).
    pub(super) fn add(&mut self, path: &str, extra: &Extra<'a>) {
        for (name, value) in extra {
            let key = if path.is_empty() {
                name.as_ref().to_owned()
            } else {
                format!("{path}.{}", name.as_ref())
            };
            self.values.insert(key, Cow::Borrowed(value.get()));
        }
    }

    /// The same for a time with its zone, where there is one. The name of a zone that nobody can know is kept: the time was taken as UTC.
    pub(super) fn add_time(&mut self, path: &str, time: Option<&ZonedTime<'a>>) {
        let Some(time) = time else { return };
        self.add(path, &time.extra);
        let text = time.date_time.as_ref().map(AsRef::as_ref);
        let zone = time.time_zone.as_ref().map(AsRef::as_ref);
        if let (Some(text), Some(name)) = (text, zone)
            && is_assumed_utc(text, zone)
        {
            let name = serde_json::Value::from(name).to_string();
            let key = format!("{path}.timeZone");
            self.known += usize::from(self.values.insert(key, Cow::Owned(name)).is_none());
        }
    }

    /// How many unknown ones there are.
    pub(super) fn len(&self) -> usize {
        self.values.len() - self.known
    }

    /// The JSON object, with its keys in order; `None` where there are none.
    pub(super) fn to_json(&self) -> Option<String> {
        if self.values.is_empty() {
            return None;
        }
        let mut json = String::from("{");
        for (index, (path, value)) in self.values.iter().enumerate() {
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
