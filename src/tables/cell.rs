//! How one value of a column is written to and read from Arrow: one implementation a Rust type.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayBuilder, ArrayRef, AsArray as _, BooleanBuilder, Date32Builder, Int32Builder,
    Int64Builder, ListBuilder, StringBuilder, StructBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Field, Fields, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};

use crate::time::{EventDate, UtcMicros};

/// A value that a table column can hold.
pub trait Cell: Sized {
    /// The Arrow builder of the column.
    type Builder: ArrayBuilder;
    /// Whether the column may hold nulls.
    const NULLABLE: bool = false;

    /// The Arrow type of the column.
    fn data_type() -> DataType;
    /// An empty builder that takes no memory: a run holds one for each day of a chunk, and many of them stay small.
    fn builder() -> Self::Builder;
    /// Adds the value to the column.
    fn append(&self, builder: &mut Self::Builder);
    /// Reads one row of the column; `None` where the column has another type, or a null that this type cannot hold.
    fn read(column: &ArrayRef, row: usize) -> Option<Self>;
}

/// A [`Cell`] whose column may also hold nulls.
pub trait NullableCell: Cell {
    /// Adds a null to the column.
    fn append_null(builder: &mut Self::Builder);
}

macro_rules! primitive_cell {
    ($type:ty, $builder:ty, $array:ty, $data_type:expr, $to:expr, $from:expr) => {
        impl Cell for $type {
            type Builder = $builder;

            fn data_type() -> DataType {
                $data_type
            }

            fn builder() -> Self::Builder {
                <$builder>::with_capacity(0).with_data_type($data_type)
            }

            fn append(&self, builder: &mut Self::Builder) {
                builder.append_value($to(*self));
            }

            fn read(column: &ArrayRef, row: usize) -> Option<Self> {
                let values = column.as_primitive_opt::<$array>()?;
                (row < values.len() && values.is_valid(row)).then(|| $from(values.value(row)))
            }
        }

        impl NullableCell for $type {
            fn append_null(builder: &mut Self::Builder) {
                builder.append_null();
            }
        }
    };
}

fn same<T>(value: T) -> T {
    value
}

/// `Timestamp(Microsecond, "UTC")`.
fn utc_micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

primitive_cell!(i32, Int32Builder, Int32Type, DataType::Int32, same, same);
primitive_cell!(i64, Int64Builder, Int64Type, DataType::Int64, same, same);
primitive_cell!(
    UtcMicros,
    TimestampMicrosecondBuilder,
    TimestampMicrosecondType,
    utc_micros(),
    |at: UtcMicros| at.0,
    UtcMicros
);
primitive_cell!(
    EventDate,
    Date32Builder,
    Date32Type,
    DataType::Date32,
    |day: EventDate| day.0,
    EventDate
);

impl Cell for bool {
    type Builder = BooleanBuilder;

    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn builder() -> Self::Builder {
        BooleanBuilder::with_capacity(0)
    }

    fn append(&self, builder: &mut Self::Builder) {
        builder.append_value(*self);
    }

    fn read(column: &ArrayRef, row: usize) -> Option<Self> {
        let values = column.as_boolean_opt()?;
        (row < values.len() && values.is_valid(row)).then(|| values.value(row))
    }
}

impl NullableCell for bool {
    fn append_null(builder: &mut Self::Builder) {
        builder.append_null();
    }
}

impl Cell for Cow<'_, str> {
    type Builder = StringBuilder;

    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn builder() -> Self::Builder {
        StringBuilder::with_capacity(0, 0)
    }

    fn append(&self, builder: &mut Self::Builder) {
        builder.append_value(self);
    }

    fn read(column: &ArrayRef, row: usize) -> Option<Self> {
        let values = column.as_string_opt::<i32>()?;
        (row < values.len() && values.is_valid(row))
            .then(|| Cow::Owned(values.value(row).to_owned()))
    }
}

impl NullableCell for Cow<'_, str> {
    fn append_null(builder: &mut Self::Builder) {
        builder.append_null();
    }
}

impl<T: NullableCell> Cell for Option<T> {
    type Builder = T::Builder;
    const NULLABLE: bool = true;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn builder() -> Self::Builder {
        T::builder()
    }

    fn append(&self, builder: &mut Self::Builder) {
        match self {
            Some(value) => value.append(builder),
            None => T::append_null(builder),
        }
    }

    fn read(column: &ArrayRef, row: usize) -> Option<Self> {
        if column.data_type() == &DataType::Null || (row < column.len() && column.is_null(row)) {
            return Some(None);
        }
        T::read(column, row).map(Some)
    }
}

/// A list column: never null, empty where there is nothing.
impl<T: ListItem> Cell for Vec<T> {
    type Builder = ListBuilder<T::Builder>;

    fn data_type() -> DataType {
        DataType::List(item_field::<T>())
    }

    fn builder() -> Self::Builder {
        ListBuilder::with_capacity(T::item_builder(), 0).with_field(item_field::<T>())
    }

    fn append(&self, builder: &mut Self::Builder) {
        for item in self {
            item.append_item(builder.values());
        }
        builder.append(true);
    }

    fn read(column: &ArrayRef, row: usize) -> Option<Self> {
        let lists = column.as_list_opt::<i32>()?;
        if row >= lists.len() || lists.is_null(row) {
            return None;
        }
        let items = lists.value(row);
        (0..items.len())
            .map(|index| T::read_item(&items, index))
            .collect()
    }
}

/// What a list column can hold.
pub trait ListItem: Sized {
    /// The Arrow builder of the items.
    type Builder: ArrayBuilder;

    /// The Arrow type of an item.
    fn item_type() -> DataType;
    /// An empty builder of items.
    fn item_builder() -> Self::Builder;
    /// Adds an item.
    fn append_item(&self, builder: &mut Self::Builder);
    /// Reads an item; `None` where the column has another type.
    fn read_item(items: &ArrayRef, index: usize) -> Option<Self>;
}

fn item_field<T: ListItem>() -> Arc<Field> {
    Arc::new(Field::new("element", T::item_type(), false))
}

impl ListItem for Cow<'_, str> {
    type Builder = StringBuilder;

    fn item_type() -> DataType {
        DataType::Utf8
    }

    fn item_builder() -> Self::Builder {
        StringBuilder::with_capacity(0, 0)
    }

    fn append_item(&self, builder: &mut Self::Builder) {
        builder.append_value(self);
    }

    fn read_item(items: &ArrayRef, index: usize) -> Option<Self> {
        <Self as Cell>::read(items, index)
    }
}

/// A pair of two values as an item of a list column: `{name, count}`, `{application_id, external_event_id}`.
macro_rules! struct_item {
    ($(#[$doc:meta])* $name:ident { $first:ident: $first_type:ty, $second:ident: $second_type:ty }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<'a> {
            /// First field.
            pub $first: $first_type,
            /// Second field.
            pub $second: $second_type,
        }

        impl<'a> $name<'a> {
            fn fields() -> Fields {
                Fields::from(vec![
                    Field::new(stringify!($first), <$first_type>::data_type(), <$first_type>::NULLABLE),
                    Field::new(stringify!($second), <$second_type>::data_type(), <$second_type>::NULLABLE),
                ])
            }
        }

        impl<'a> ListItem for $name<'a> {
            type Builder = StructBuilder;

            fn item_type() -> DataType {
                DataType::Struct(Self::fields())
            }

            fn item_builder() -> Self::Builder {
                StructBuilder::new(
                    Self::fields(),
                    vec![Box::new(<$first_type>::builder()), Box::new(<$second_type>::builder())],
                )
            }

            fn append_item(&self, builder: &mut Self::Builder) {
                if let Some(column) = builder.field_builder::<<$first_type as Cell>::Builder>(0) {
                    self.$first.append(column);
                }
                if let Some(column) = builder.field_builder::<<$second_type as Cell>::Builder>(1) {
                    self.$second.append(column);
                }
                builder.append(true);
            }

            fn read_item(items: &ArrayRef, index: usize) -> Option<Self> {
                let items = items.as_struct_opt()?;
                Some(Self {
                    $first: <$first_type>::read(items.column_by_name(stringify!($first))?, index)?,
                    $second: <$second_type>::read(items.column_by_name(stringify!($second))?, index)?,
                })
            }
        }
    };
}

struct_item! {
    /// How often something was counted.
    NameCount { name: Cow<'a, str>, count: i64 }
}

struct_item! {
    /// A partner's ids of an event (Graph: `virtualEventExternalInformation`).
    ExternalEvent { application_id: Option<Cow<'a, str>>, external_event_id: Option<Cow<'a, str>> }
}
