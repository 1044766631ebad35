//! A request, taken apart: decoded path segments, decoded query options, and links to the next page.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::errors::Refusal;

/// A GET request to Graph.
#[derive(Debug)]
pub(in crate::simulated_tenant) struct Ask<'a> {
    /// `http://127.0.0.1:{port}`, without a slash.
    pub(super) origin: &'a str,
    /// The path as it came.
    pub(super) path: &'a str,
    /// The query as it came.
    pub(super) raw_query: &'a str,
    /// Decoded path segments after the version.
    pub(super) segments: Vec<String>,
    /// Decoded query options.
    options: Vec<(String, String)>,
}

impl<'a> Ask<'a> {
    /// `None` where the path does not begin with a version that is served.
    pub(super) fn read(origin: &'a str, path: &'a str, raw_query: &'a str) -> Option<Self> {
        let rest = path
            .strip_prefix("/v1.0/")
            .or_else(|| path.strip_prefix("/beta/"))?;
        let segments = rest
            .trim_end_matches('/')
            .split('/')
            .map(percent_decode)
            .collect();
        let options = url::form_urlencoded::parse(raw_query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Some(Self {
            origin,
            path,
            raw_query,
            segments,
            options,
        })
    }

    /// A query option by its name, in any case.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(option, _)| option.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the path begins with `beta`.
    pub(super) fn is_beta(&self) -> bool {
        self.path.starts_with("/beta/")
    }

    /// `$top`, within what the resource allows.
    pub(super) fn top(&self, default: usize, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.option("$top") else {
            return Ok(default);
        };
        match text.parse::<usize>() {
            Ok(top) if (1..=most).contains(&top) => Ok(top),
            _ => Err(Refusal::new(
                400,
                "BadRequest",
                format!(
                    "Invalid page size specified: '{text}'. Must be between 1 and {most} inclusive."
                ),
            )),
        }
    }

    /// Where the page begins, from the option that the last link carried.
    pub(super) fn skipped(&self, option: &str) -> Result<usize, Refusal> {
        let Some(text) = self.option(option) else {
            return Ok(0);
        };
        text.trim_start_matches("page-")
            .parse()
            .map_err(|_| Refusal::new(400, "BadRequest", "The skip token is not valid."))
    }

    /// The properties that `$select` asks for.
    pub(super) fn select(&self, object: &mut Value) {
        let Some(wanted) = self.option("$select") else {
            return;
        };
        let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
        if let Value::Object(properties) = object {
            properties.retain(|name, _| {
                name.starts_with('@') || name == "id" || wanted.contains(&name.as_str())
            });
        }
    }

    /// This request's address with one query option replaced, byte for byte the same otherwise.
    pub(super) fn link_with(&self, option: &str, value: &str) -> String {
        let others = self.raw_query.split('&').filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            !part.is_empty() && !percent_decode(name).eq_ignore_ascii_case(option)
        });
        let encoded = option.replace('$', "%24");
        let query: Vec<Cow<'_, str>> = others
            .map(Cow::Borrowed)
            .chain(std::iter::once(Cow::Owned(format!("{encoded}={value}"))))
            .collect();
        format!("{}{}?{}", self.origin, self.path, query.join("&"))
    }

    /// One page of `items`, with a link to the next where there are more; only what is on the page is printed.
    pub(super) fn page<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        print: impl Fn(T) -> Value,
        size: usize,
        option: &str,
    ) -> Result<Value, Refusal> {
        let from = self.skipped(option)?;
        let until = from.saturating_add(size);
        let mut rest = items.into_iter().skip(from);
        let value: Vec<Value> = rest.by_ref().take(size).map(print).collect();
        let mut page = json!({"@odata.context": self.context(), "value": value});
        if rest.next().is_some() {
            let place = match option {
                "$skip" => until.to_string(),
                _ => format!("page-{until}"),
            };
            page.as_object_mut().map(|page| {
                page.insert(
                    "@odata.nextLink".to_owned(),
                    Value::String(self.link_with(option, &place)),
                )
            });
        }
        Ok(page)
    }

    /// A single object with its context.
    pub(super) fn one(&self, mut object: Value) -> Value {
        if let Value::Object(properties) = &mut object {
            properties.insert("@odata.context".to_owned(), Value::String(self.context()));
        }
        object
    }

    fn context(&self) -> String {
        let version = if self.is_beta() { "beta" } else { "v1.0" };
        let path = self.segments.join("/");
        format!("{}/{version}/$metadata#{path}", self.origin)
    }
}

/// Decodes `%xx` once; what is no valid escape stays.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%'
            && let Some((&[high, low], beyond)) = after.split_first_chunk::<2>()
            && let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low))
        {
            bytes.push(high << 4 | low);
            rest = beyond;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(letter: u8) -> Option<u8> {
    char::from(letter)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(percent_decode("19%253a%40x%2"), "19%3a@x%2");
    }

    #[test]
    fn the_next_link_keeps_the_other_options_byte_for_byte() {
        let ask = Ask::read(
            "http://host",
            "/v1.0/users",
            "%24top=5&$filter=a%20eq%20'b'&$skiptoken=page-5",
        )
        .unwrap();
        assert_eq!(
            ask.link_with("$skiptoken", "page-10"),
            "http://host/v1.0/users?%24top=5&$filter=a%20eq%20'b'&%24skiptoken=page-10"
        );
    }
}
