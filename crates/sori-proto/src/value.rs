//! Dynamic values: JSON with binary.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};

use crate::sio::DecodeError;

mod de;

/// What an argument of an event can be when its type is not known: JSON, or bytes at any depth.
///
/// ```
/// use sori_proto::Value;
/// let value = Value::from_json(r#"{"user":"ada","age":36}"#)?;
/// assert_eq!(value.get("age").and_then(Value::as_i64), Some(36));
/// # Ok::<_, sori_proto::sio::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, and JavaScript's `undefined`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a float.
    Number(Number),
    /// A string.
    String(String),
    /// Bytes: a `Buffer`, `ArrayBuffer`, typed array or `Blob` of the peer.
    Binary(Bytes),
    /// An array.
    Array(Vec<Value>),
    /// An object, in the order in which it was written. A key that occurs twice is kept twice and the last one counts.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads one JSON value. Deeper than 128 levels is an error, not an overflow.
    pub fn from_json(json: &str) -> Result<Self, DecodeError> {
        serde_json::from_str(json).map_err(|error| DecodeError::from_json(&error))
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The number, if it is an integer that fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The number, rounded if need be.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.as_f64()),
            _ => None,
        }
    }

    /// The string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    /// The bytes.
    pub fn as_binary(&self) -> Option<&Bytes> {
        match self {
            Self::Binary(value) => Some(value),
            _ => None,
        }
    }

    /// The elements.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, in order.
    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// A number as JSON writes it: an integer of 64 bits, or a float.
///
/// ```
/// use sori_proto::Number;
/// assert_eq!(Number::from(7u32), Number::from(7i64));
/// assert_eq!(Number::from(-1).as_u64(), None);
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Number(Repr);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Repr {
    /// Zero and above.
    Unsigned(u64),
    /// Below zero, always: equal numbers are stored equally.
    Negative(i64),
    Float(f64),
}

impl Number {
    /// The integer, if it is one and fits.
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Unsigned(value) => value.try_into().ok(),
            Repr::Negative(value) => Some(value),
            Repr::Float(_) => None,
        }
    }

    /// The integer, if it is one and fits.
    pub fn as_u64(self) -> Option<u64> {
        match self.0 {
            Repr::Unsigned(value) => Some(value),
            _ => None,
        }
    }

    /// The number as a float, rounded if need be.
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Unsigned(value) => value as f64,
            Repr::Negative(value) => value as f64,
            Repr::Float(value) => value,
        }
    }

    /// Whether it was written as a float.
    pub fn is_float(self) -> bool {
        matches!(self.0, Repr::Float(_))
    }

    fn visit<'de, V: Visitor<'de>, E: serde::de::Error>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Repr::Unsigned(value) => visitor.visit_u64(value),
            Repr::Negative(value) => visitor.visit_i64(value),
            Repr::Float(value) => visitor.visit_f64(value),
        }
    }
}

/// As JavaScript prints it: `1`, `-2`, `1.5`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Unsigned(value) => value.fmt(f),
            Repr::Negative(value) => value.fmt(f),
            Repr::Float(0.0) => f.write_str("0"),
            Repr::Float(value) => value.fmt(f),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Unsigned(value) => value.fmt(f),
            Repr::Negative(value) => value.fmt(f),
            Repr::Float(value) => value.fmt(f),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Repr::Unsigned(value) => serializer.serialize_u64(value),
            Repr::Negative(value) => serializer.serialize_i64(value),
            Repr::Float(value) => serializer.serialize_f64(value),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Not a unit, which as arguments is none at all.
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::String(value) => serializer.serialize_str(value),
            Self::Binary(value) => serializer.serialize_bytes(value),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Binary(Bytes::copy_from_slice(value)))
    }

    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Binary(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    // No size hint is trusted: room is made as elements arrive.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Value::Object(members))
    }
}

macro_rules! from_integers {
    ($($signed:ty)*; $($unsigned:ty)*) => {
        $(impl From<$signed> for Number {
            fn from(value: $signed) -> Self {
                Self(u64::try_from(value).map_or(Repr::Negative(value.into()), Repr::Unsigned))
            }
        })*
        $(impl From<$unsigned> for Number {
            fn from(value: $unsigned) -> Self {
                Self(Repr::Unsigned(value.into()))
            }
        })*
    };
}

from_integers!(i8 i16 i32 i64; u8 u16 u32 u64);

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(Repr::Float(value))
    }
}

impl From<f32> for Number {
    fn from(value: f32) -> Self {
        Self(Repr::Float(value.into()))
    }
}

impl<T: Into<Number>> From<T> for Value {
    fn from(value: T) -> Self {
        Self::Number(value.into())
    }
}

macro_rules! from_others {
    ($($kind:ident($from:ty);)*) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$kind(value.into())
            }
        })*
    };
}

from_others! {
    Bool(bool);
    String(&str);
    String(String);
    Binary(Bytes);
    Array(Vec<Value>);
    Object(Vec<(String, Value)>);
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;

    use super::*;

    /// The same type from JSON text, from a value and from a borrowed value.
    #[track_caller]
    fn check<T: DeserializeOwned + PartialEq + fmt::Debug>(json: &str, expected: T) {
        let value = Value::from_json(json).unwrap();
        assert_eq!(T::deserialize(&value).unwrap(), expected);
        assert_eq!(T::deserialize(value).unwrap(), expected);
        assert_eq!(serde_json::from_str::<T>(json).unwrap(), expected);
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Shape {
        Dot,
        Circle(f64),
        Line(i32, i32),
        Rect { w: u8, h: u8 },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Person {
        first_name: String,
        age: Option<u8>,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[test]
    fn deserializes_as_json_does() {
        check("null", ());
        check("null", None::<u8>);
        check("7", Some(7u8));
        check("[1,-2,1.5]", (1u8, -2i64, 1.5f64));
        check(r#"{"1":true,"2":false}"#, BTreeMap::from([(1u32, true), (2, false)]));
        check(r#""Dot""#, Shape::Dot);
        check(r#"{"Circle":2.5}"#, Shape::Circle(2.5));
        check(r#"{"Line":[1,2]}"#, Shape::Line(1, 2));
        check(r#"{"Rect":{"w":3,"h":4}}"#, Shape::Rect { w: 3, h: 4 });
        check(r#"{"firstName":"Ada","other":[{}]}"#, Person { first_name: "Ada".into(), age: None, tags: vec![] });
        check("[[1,2],[3,4]]", vec![(1, 2), (3, 4)]);
    }

    #[test]
    fn refuses_what_json_refuses() {
        let value = Value::from_json(r#"{"a":[1,2,3],"Dot":1}"#).unwrap();
        assert!(<(u8, u8)>::deserialize(value.get("a").unwrap()).is_err());
        assert!(Shape::deserialize(&value).is_err());
        assert!(String::deserialize(value).is_err());
    }

    #[test]
    fn bytes_arrive_wherever_bytes_are_wanted() {
        let bytes = Bytes::from_static(b"\x01\x02");
        let value = Value::Array(vec![Value::Null, Value::Binary(bytes.clone())]);
        assert_eq!(<((), Bytes)>::deserialize(&value).unwrap().1, bytes);
        assert_eq!(<((), serde_bytes::ByteBuf)>::deserialize(&value).unwrap().1, &bytes[..]);
        assert_eq!(Value::deserialize(&value).unwrap(), value);
        assert_eq!(<(Value, Value)>::deserialize(value).unwrap().1, Value::Binary(bytes));
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let value = Value::from_json(r#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(value.get("a"), Some(&Value::from(2)));
    }

    #[test]
    fn depth_is_an_error() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(Value::from_json(&deep).is_err());
    }

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        let texts = [(Number::from(-1), "-1"), (Number::from(u64::MAX), "18446744073709551615")];
        for (number, text) in texts.into_iter().chain([(1.5.into(), "1.5"), ((-0.0).into(), "0"), (1e3.into(), "1000")]) {
            assert_eq!(number.to_string(), text);
        }
    }
}
