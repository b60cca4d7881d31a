//! Reading any type from a [`Value`], as serde_json reads it from text.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, IntoDeserializer, Unexpected, VariantAccess, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::Value;
use crate::sio::DecodeError;

macro_rules! value_deserializer {
    ($value:ty, |$self:ident, $visitor:ident| { $($arm:pat => $visit:expr,)* }, $key:expr) => {
        impl<'de> Deserializer<'de> for $value {
            type Error = DecodeError;

            fn deserialize_any<V: Visitor<'de>>($self, $visitor: V) -> Result<V::Value, DecodeError> {
                match $self {
                    Value::Null => $visitor.visit_unit(),
                    $($arm => $visit,)*
                }
            }

            fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
                match self {
                    Value::Null => visitor.visit_none(),
                    value => visitor.visit_some(value),
                }
            }

            fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &str, visitor: V) -> Result<V::Value, DecodeError> {
                visitor.visit_newtype_struct(self)
            }

            fn deserialize_enum<V: Visitor<'de>>(
                self,
                _name: &str,
                _variants: &[&str],
                visitor: V,
            ) -> Result<V::Value, DecodeError> {
                let (variant, content) = match self {
                    Value::String(variant) => ($key(variant), None),
                    Value::Object(members) => {
                        let mut members = members.into_iter();
                        match (members.next(), members.next()) {
                            (Some((variant, content)), None) => ($key(variant), Some(content)),
                            _ => return Err(Error::invalid_value(Unexpected::Map, &"an object with a single key")),
                        }
                    }
                    other => return Err(Error::invalid_type((&other).unexpected(), &"a string or an object")),
                };
                visitor.visit_enum(Variant { variant, content })
            }

            fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
                visitor.visit_unit()
            }

            forward_to_deserialize_any! {
                bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
                unit unit_struct seq tuple tuple_struct map struct identifier
            }
        }

        impl<'de> IntoDeserializer<'de, DecodeError> for $value {
            type Deserializer = Self;

            fn into_deserializer(self) -> Self {
                self
            }
        }
    };
}

value_deserializer!(Value, |self, visitor| {
    Value::Bool(value) => visitor.visit_bool(value),
    Value::Number(value) => value.visit(visitor),
    Value::String(value) => visitor.visit_string(value),
    Value::Binary(value) => visitor.visit_byte_buf(value.into()),
    Value::Array(items) => visit_array(items.into_iter(), visitor),
    Value::Object(members) => visit_object(members.into_iter().map(|(key, value)| (Key(key.into()), value)), visitor),
}, |key: String| Key(key.into()));

value_deserializer!(&'de Value, |self, visitor| {
    Value::Bool(value) => visitor.visit_bool(*value),
    Value::Number(value) => value.visit(visitor),
    Value::String(value) => visitor.visit_borrowed_str(value),
    Value::Binary(value) => visitor.visit_borrowed_bytes(value),
    Value::Array(items) => visit_array(items.iter(), visitor),
    Value::Object(members) => visit_object(members.iter().map(|(key, value)| (Key(key.as_str().into()), value)), visitor),
}, |key: &'de String| Key(key.as_str().into()));

fn visit_array<'de, V: Visitor<'de>, T: IntoDeserializer<'de, DecodeError>>(
    items: impl Iterator<Item = T>,
    visitor: V,
) -> Result<V::Value, DecodeError> {
    let mut items = SeqDeserializer::new(items);
    let value = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(value)
}

fn visit_object<'de, V: Visitor<'de>, T: IntoDeserializer<'de, DecodeError>>(
    members: impl Iterator<Item = (Key<'de>, T)>,
    visitor: V,
) -> Result<V::Value, DecodeError> {
    let mut members = MapDeserializer::new(members);
    let value = visitor.visit_map(&mut members)?;
    members.end()?;
    Ok(value)
}

impl Value {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Number(value) => Unexpected::Float(value.as_f64()),
            Self::String(value) => Unexpected::Str(value),
            Self::Binary(value) => Unexpected::Bytes(value),
            Self::Array(_) => Unexpected::Seq,
            Self::Object(_) => Unexpected::Map,
        }
    }
}

/// A member's name. JSON has only strings there, so a map with other keys has them as text.
struct Key<'de>(Cow<'de, str>);

macro_rules! parsed_keys {
    ($($method:ident $visit:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.0.parse() {
                Ok(key) => visitor.$visit(key),
                Err(_) => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Cow::Borrowed(key) => visitor.visit_borrowed_str(key),
            Cow::Owned(key) => visitor.visit_string(key),
        }
    }

    parsed_keys! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _name: &str, _variants: &[&str], visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(Variant { variant: self, content: None::<Value> })
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, DecodeError> for Key<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// `"Name"` or `{"Name":content}`.
struct Variant<'de, T> {
    variant: Key<'de>,
    content: Option<T>,
}

impl<'de, T: Deserializer<'de, Error = DecodeError>> EnumAccess<'de> for Variant<'de, T> {
    type Error = DecodeError;
    type Variant = Content<T>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<T>), DecodeError> {
        Ok((seed.deserialize(self.variant)?, Content(self.content)))
    }
}

struct Content<T>(Option<T>);

impl<T> Content<T> {
    fn required(self) -> Result<T, DecodeError> {
        self.0.ok_or_else(|| Error::invalid_type(Unexpected::UnitVariant, &"a variant with content"))
    }
}

impl<'de, T: Deserializer<'de, Error = DecodeError>> VariantAccess<'de> for Content<T> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        self.0.map_or(Ok(()), Deserialize::deserialize)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DecodeError> {
        seed.deserialize(self.required()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.required()?.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, DecodeError> {
        self.required()?.deserialize_struct("", fields, visitor)
    }
}
