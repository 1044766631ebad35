//! The shape of every Graph object: named properties, and the rest kept as it came.

use super::scalars::Text;
use serde_json::value::RawValue;

/// Properties that a type does not name, each with its JSON text; nulls and OData control information are left out.
pub type Extra<'a> = Vec<(Text<'a>, &'a RawValue)>;

/// Whether a property is OData's own, such as `@odata.etag` or `attendanceRecords@odata.context`, and no data.
pub(super) fn is_control_information(name: &str) -> bool {
    name.contains("@odata.") || name.contains("@microsoft.graph.")
}

/// Declares a Graph object: `field: Type = "propertyName"`, all of them defaulting; unnamed properties go to `extra`.
///
/// A property that comes twice counts as its last value. A `null` object is not accepted; wrap the type in `Option` for that.
macro_rules! graph_object {
    (
        $(#[$doc:meta])*
        $name:ident $(<$generic:ident>)? {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $property:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<'a $(, $generic)?> {
            $($(#[$field_doc])* pub $field: $type,)+
            /// Properties that are not named above.
            pub extra: $crate::model::Extra<'a>,
        }

        impl<'de: 'a, 'a $(, $generic: serde::Deserialize<'de>)?> serde::Deserialize<'de> for $name<'a $(, $generic)?> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor<'a $(, $generic)?>(std::marker::PhantomData<(&'a (), $($generic,)?)>);

                impl<'de: 'a, 'a $(, $generic: serde::Deserialize<'de>)?> serde::de::Visitor<'de> for ObjectVisitor<'a $(, $generic)?> {
                    type Value = $name<'a $(, $generic)?>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("a ", stringify!($name), " object"))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        $(let mut $field: $type = Default::default();)+
                        let mut extra = Vec::new();
                        while let Some(property) = map.next_key::<$crate::model::scalars::PropertyName<'de>>()? {
                            $(
                                if property.is($property) {
                                    $field = map.next_value()?;
                                    continue;
                                }
                            )+
                            let property = property.into_text();
                            if $crate::model::object::is_control_information(property.as_ref()) {
                                map.next_value::<serde::de::IgnoredAny>()?;
                                continue;
                            }
                            let value = map.next_value::<&'de serde_json::value::RawValue>()?;
                            if value.get() != "null" {
                                extra.push((property, value));
                            }
                        }
                        Ok($name { $($field,)+ extra })
                    }
                }

                deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
            }
        }
    };
}

pub(super) use graph_object;
