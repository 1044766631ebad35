//! Text, numbers and times as Graph writes them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::object::{Extra, is_control_information};

/// Text, borrowed from the body where it holds no escapes.
///
/// A lone surrogate or a byte that is no UTF-8 becomes U+FFFD; NUL and every other character stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    /// The text as an owned string.
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The name of a property, compared as bytes: nearly all are known, and those are never read as text.
pub(super) struct PropertyName<'a>(Cow<'a, [u8]>);

impl<'a> PropertyName<'a> {
    pub(super) fn is(&self, name: &str) -> bool {
        *self.0 == *name.as_bytes()
    }

    pub(super) fn into_text(self) -> Text<'a> {
        Text(match self.0 {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for PropertyName<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = PropertyName<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a property's name")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(PropertyName(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(PropertyName(Cow::Owned(bytes.to_owned())))
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
                self.visit_borrowed_bytes(name.as_bytes())
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                self.visit_bytes(name.as_bytes())
            }
        }

        deserializer.deserialize_bytes(NameVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                // nearly all text is UTF-8, and this check is the faster one
                Ok(Text(match std::str::from_utf8(bytes) {
                    Ok(text) => Cow::Borrowed(text),
                    Err(_) => String::from_utf8_lossy(bytes),
                }))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(
                    String::from_utf8_lossy(bytes).into_owned(),
                )))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        // as bytes: serde_json refuses a lone surrogate only where it must make a str
        deserializer.deserialize_bytes(TextVisitor)
    }
}

/// An `Edm.Int32`, or a number that does not fit one.
///
/// Read as a number: `12`, `12.0`, `1.2e1`, `"12"`. Not read: `1.5`, `"a few"`, `true`, anything beyond 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Number {
    /// The number.
    Int(i32),
    /// Something else stood there.
    Unreadable,
}

impl Number {
    fn from_integer(number: impl TryInto<i32>) -> Self {
        number.try_into().map_or(Self::Unreadable, Self::Int)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number::from_integer(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number::from_integer(number))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                let whole = number.fract() == 0.0
                    && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
                #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
                Ok(if whole {
                    Number::Int(number as i32)
                } else {
                    Number::Unreadable
                })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                Ok(text.trim().parse().map_or(Number::Unreadable, Number::Int))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Number, E> {
                Ok(Number::Unreadable)
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A time with its time zone (`dateTimeTimeZone`), or the plain timestamp that some pages print in its place.
#[derive(Debug, Clone)]
pub struct ZonedTime<'a> {
    /// Wall-clock time, or an RFC 3339 timestamp.
    pub date_time: Option<Text<'a>>,
    /// A Windows or IANA name.
    pub time_zone: Option<Text<'a>>,
    /// Properties that are not named above.
    pub extra: Extra<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for ZonedTime<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ZonedTimeVisitor;

        impl<'de> Visitor<'de> for ZonedTimeVisitor {
            type Value = ZonedTime<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dateTimeTimeZone or a timestamp")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(ZonedTime {
                    date_time: Some(Text(Cow::Borrowed(text))),
                    time_zone: None,
                    extra: Extra::new(),
                })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(ZonedTime {
                    date_time: Some(Text(Cow::Owned(text.to_owned()))),
                    time_zone: None,
                    extra: Extra::new(),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut time = ZonedTime {
                    date_time: None,
                    time_zone: None,
                    extra: Extra::new(),
                };
                while let Some(property) = map.next_key::<Text<'de>>()? {
                    match property.as_ref() {
                        "dateTime" => time.date_time = map.next_value()?,
                        "timeZone" => time.time_zone = map.next_value()?,
                        other if is_control_information(other) => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        _ => {
                            let value = map.next_value::<&'de RawValue>()?;
                            if value.get() != "null" {
                                time.extra.push((property, value));
                            }
                        }
                    }
                }
                Ok(time)
            }
        }

        deserializer.deserialize_any(ZonedTimeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_52_odd_text_has_a_defined_reading() {
        for (json, text) in [
            (r#""a\u0000b""#, "a\0b"),
            (r#""\u202Eabc""#, "\u{202E}abc"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""x\ud800y""#, "x\u{fffd}\u{fffd}\u{fffd}y"),
        ] {
            assert_eq!(
                serde_json::from_str::<Text<'_>>(json).unwrap().as_ref(),
                text,
                "{json}"
            );
        }
        assert_eq!(
            serde_json::from_slice::<Text<'_>>(b"\"x\xffy\"")
                .unwrap()
                .as_ref(),
            "x\u{fffd}y"
        );
        assert!(serde_json::from_str::<Text<'_>>("5").is_err());
    }

    #[test]
    fn fault_53_integral_numbers_are_read_and_others_are_told() {
        for (json, number) in [
            ("12", Number::Int(12)),
            ("1.0", Number::Int(1)),
            ("1e3", Number::Int(1000)),
            ("-1", Number::Int(-1)),
            ("\"12\"", Number::Int(12)),
            ("2147483648", Number::Unreadable),
            ("9223372036854775808", Number::Unreadable),
            ("1.5", Number::Unreadable),
            ("\"a few\"", Number::Unreadable),
            ("true", Number::Unreadable),
        ] {
            assert_eq!(
                serde_json::from_str::<Number>(json).unwrap(),
                number,
                "{json}"
            );
        }
    }
}
