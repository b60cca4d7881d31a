//! Arguments on their way in: kept as they came, read when a handler asks.

use std::{borrow::Cow, cell::Cell, fmt, marker::PhantomData};

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, SeqAccess, Visitor, value::SeqDeserializer},
    forward_to_deserialize_any,
};

use super::{DecodeError, EncodeError, OutArgs, placeholder};
use crate::{Value, sio::msgpack};

/// The arguments of one event or ack, as they arrived. They are valid: what cannot be read here is
/// of another type than was asked for.
///
/// ```
/// use sori_proto::sio::InArgs;
/// let args = InArgs::from_json(r#"["ada",36]"#)?;
/// let (name, age): (String, u32) = args.deserialize()?;
/// let first: String = args.deserialize()?;
/// let (_, _, more): (String, u32, Option<bool>) = args.deserialize()?;
/// assert_eq!((name, age, more), (first, 36, None));
/// # Ok::<_, sori_proto::sio::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct InArgs {
    len: usize,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// `[…]`, valid and with valid placeholders.
    Json {
        text: Bytes,
        attachments: Box<[Bytes]>,
    },
    /// The arguments one after the other, complete.
    Msgpack(Bytes),
    Values(Vec<Value>),
}

impl InArgs {
    /// Arguments written as one JSON array.
    pub fn from_json(array: &str) -> Result<Self, DecodeError> {
        let items: Vec<IgnoredAny> = serde_json::from_str(array).map_err(|error| DecodeError::from_json(&error))?;
        Ok(Self::json(Bytes::copy_from_slice(array.trim().as_bytes()), items.len()))
    }

    /// Arguments made of values.
    pub fn from_values(values: Vec<Value>) -> Self {
        Self { len: values.len(), body: Body::Values(values) }
    }

    pub(in crate::sio) fn json(text: Bytes, len: usize) -> Self {
        Self { len, body: Body::Json { text, attachments: Box::default() } }
    }

    pub(in crate::sio) fn msgpack(items: &[u8], len: usize) -> Self {
        Self { len, body: Body::Msgpack(Bytes::copy_from_slice(items)) }
    }

    /// The attachments that a binary packet's placeholders point at.
    pub(in crate::sio) fn with_attachments(self, attachments: Vec<Bytes>) -> Self {
        match self.body {
            Body::Json { text, .. } => Self { body: Body::Json { text, attachments: attachments.into() }, ..self },
            _ => self,
        }
    }

    /// What they weigh in a queue, roughly, in bytes.
    pub fn weight(&self) -> usize {
        let content = match &self.body {
            Body::Json { text, attachments } => text.len() + attachments.iter().map(Bytes::len).sum::<usize>(),
            Body::Msgpack(items) => items.len(),
            Body::Values(values) => size_of_val(&values[..]),
        };
        size_of::<Self>() + content
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads them as `T`. A tuple (or a Rust array, which is one to serde) gets all of them, anything
    /// else gets the first. Arguments beyond are ignored, as JavaScript does; one that is missing is
    /// `None` or `()` where that is possible.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let at = Cell::new(0);
        match &self.body {
            // Straight from the text.
            Body::Json { text, attachments } if attachments.is_empty() => {
                let mut all = serde_json::Deserializer::from_slice(text);
                let mut first = serde_json::Deserializer::from_slice(&text[1..]);
                let first = (self.len > 0).then_some(&mut first);
                T::deserialize(Args { len: self.len, all: &mut all, first, at: &at })
                    .map_err(|error| DecodeError::from_json(&error).at(at.get()))
            }
            _ => {
                let values = self.values().map_err(|error| error.at(0))?;
                let all = SeqDeserializer::new(values.iter());
                T::deserialize(Args { len: self.len, all, first: values.first(), at: &at }).map_err(|error| error.at(at.get()))
            }
        }
    }

    /// The arguments as values. Deeper than 128 levels is an error.
    pub fn to_values(&self) -> Result<Vec<Value>, DecodeError> {
        self.values().map(Cow::into_owned)
    }

    /// The same arguments, ready to be sent on.
    pub fn to_out(&self) -> Result<OutArgs, EncodeError> {
        match &self.body {
            Body::Json { text, attachments } => Ok(OutArgs::from_parts(inside(text), self.len, attachments)),
            _ => OutArgs::from_values(&self.values().map_err(|error| EncodeError::Serialize(error.message))?),
        }
    }

    /// The arguments as JSON, separated by commas, if they came as JSON without bytes.
    pub fn raw_json(&self) -> Option<&str> {
        match &self.body {
            Body::Json { text, attachments } if attachments.is_empty() => Some(inside(text)),
            _ => None,
        }
    }

    fn values(&self) -> Result<Cow<'_, [Value]>, DecodeError> {
        match &self.body {
            Body::Json { text, attachments } => {
                let mut values: Vec<Value> = serde_json::from_slice(text).map_err(|error| DecodeError::from_json(&error))?;
                if !attachments.is_empty() {
                    values.iter_mut().for_each(|value| placeholder::fill(value, attachments));
                }
                Ok(values.into())
            }
            Body::Msgpack(items) => msgpack::values(items, self.len).map(Cow::Owned),
            Body::Values(values) => Ok(values.into()),
        }
    }
}

/// The length of a tuple that takes as many arguments as there are.
pub const ALL_ARGUMENTS: usize = usize::MAX;

fn inside(array: &[u8]) -> &str {
    str::from_utf8(&array[1..array.len() - 1]).expect("the text came as a str").trim()
}

/// All arguments to a tuple, the first one to everything else.
struct Args<'c, A, F> {
    len: usize,
    /// The array of all arguments.
    all: A,
    first: Option<F>,
    /// Which argument is being read, counted from one.
    at: &'c Cell<u32>,
}

impl<A, F> Args<'_, A, F> {
    fn tuple<'de, V: Visitor<'de>>(self, wanted: usize, visitor: V) -> Result<V::Value, A::Error>
    where
        A: Deserializer<'de>,
    {
        self.all.deserialize_seq(Tuple {
            visitor,
            len: self.len,
            wanted: if wanted == ALL_ARGUMENTS { self.len } else { wanted },
            at: self.at,
        })
    }
}

macro_rules! first {
    ($($method:ident($($arg:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, A::Error> {
            self.at.set(1);
            match self.first {
                Some(first) => first.$method($($arg,)* visitor),
                None => Missing(PhantomData).$method($($arg,)* visitor),
            }
        })*
    };
}

impl<'de, A, F> Deserializer<'de> for Args<'_, A, F>
where
    A: Deserializer<'de>,
    F: Deserializer<'de, Error = A::Error>,
{
    type Error = A::Error;

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &str, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.tuple(len, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, A::Error> {
        match self.first {
            // serde_json knows its own types, as RawValue, by such names.
            Some(first) if name.starts_with("$serde_json::") => first.deserialize_newtype_struct(name, visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    first! {
        deserialize_any()
        deserialize_bool()
        deserialize_i8()
        deserialize_i16()
        deserialize_i32()
        deserialize_i64()
        deserialize_i128()
        deserialize_u8()
        deserialize_u16()
        deserialize_u32()
        deserialize_u64()
        deserialize_u128()
        deserialize_f32()
        deserialize_f64()
        deserialize_char()
        deserialize_str()
        deserialize_string()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_option()
        deserialize_unit_struct(name: &'static str)
        deserialize_seq()
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier()
        deserialize_ignored_any()
    }
}

/// Hands a tuple's visitor exactly the elements it wants, whatever there is.
struct Tuple<'c, V> {
    visitor: V,
    len: usize,
    wanted: usize,
    at: &'c Cell<u32>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Tuple<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<V::Value, A::Error> {
        let value = self.visitor.visit_seq(Elements { seq: &mut seq, present: self.len, wanted: self.wanted, at: self.at })?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(value)
    }
}

struct Elements<'c, 's, A> {
    seq: &'s mut A,
    present: usize,
    wanted: usize,
    at: &'c Cell<u32>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, '_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        let index = self.at.get() as usize;
        if index >= self.wanted {
            return Ok(None);
        }
        self.at.set(self.at.get() + 1);
        if index < self.present { self.seq.next_element_seed(seed) } else { seed.deserialize(Missing(PhantomData)).map(Some) }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.wanted)
    }
}

/// An argument that is not there.
struct Missing<E>(PhantomData<E>);

impl<'de, E: Error> Deserializer<'de> for Missing<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        struct Expected<V>(V);
        impl<'de, V: Visitor<'de>> fmt::Display for Expected<V> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.expecting(f)
            }
        }
        Err(E::custom(format_args!("missing, expected {}", Expected(visitor))))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit_struct
        seq tuple tuple_struct map struct enum identifier
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::{Deserialize, de::DeserializeOwned};
    use serde_bytes::ByteBuf;

    use super::*;

    /// The same arguments as text, as values, and as MessagePack.
    fn forms(array: &str) -> [InArgs; 3] {
        let json = InArgs::from_json(array).unwrap();
        let values = InArgs::from_values(json.to_values().unwrap());
        let mut packed = Vec::new();
        msgpack::ack(&mut packed, "/", 0, &json.to_out().unwrap());
        let packed = msgpack::ack_payload(msgpack::packet(&packed).unwrap().data).unwrap();
        [json, values, packed]
    }

    #[track_caller]
    fn check<T: DeserializeOwned + PartialEq + fmt::Debug>(array: &str, expected: T) {
        for args in forms(array) {
            assert_eq!(args.deserialize::<T>().as_ref(), Ok(&expected), "{args:?}");
        }
    }

    #[track_caller]
    fn refuse<T: DeserializeOwned + fmt::Debug>(array: &str, message: &str) {
        for args in forms(array) {
            assert_eq!(args.deserialize::<T>().unwrap_err().to_string(), message, "{args:?}");
        }
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Point {
        x: i32,
        y: i32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Pair(u8, String);

    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapped<T>(T);

    #[derive(Debug, Deserialize, PartialEq)]
    enum Shape {
        Dot,
        Line(u8, u8),
    }

    #[test]
    fn a_tuple_gets_all_of_them() {
        check(r#"[1,"two",[3]]"#, (1u8, "two".to_owned(), vec![3]));
        check(r#"[1,"two"]"#, Pair(1, "two".into()));
        check("[1,2]", [1, 2]);
        check("[1,2]", Wrapped((1, 2)));
        check("[[1,2],3]", ((1, 2), 3));
        check(r#" [ {"x":1,"y":2} ] "#, (Point { x: 1, y: 2 },));
    }

    #[test]
    fn everything_else_gets_the_first() {
        check("[1,2]", 1);
        check("[[1,2]]", vec![1, 2]);
        check(r#"["x"]"#, Wrapped("x".to_owned()));
        check(r#"[{"x":1,"y":2},"rest"]"#, Point { x: 1, y: 2 });
        check(r#"[{"1":2}]"#, HashMap::from([(1u64, 2.0f64)]));
        check(r#"["Dot"]"#, Shape::Dot);
        check(r#"[{"Line":[1,2]}]"#, Shape::Line(1, 2));
        check("[null]", None::<u8>);
        check("[[1,2]]", Some((1, 2)));
        check(r#"["x"]"#, Value::from("x"));
        check("[1]", IgnoredButEqual);
    }

    #[derive(Debug, PartialEq)]
    struct IgnoredButEqual;

    impl<'de> Deserialize<'de> for IgnoredButEqual {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            IgnoredAny::deserialize(deserializer).map(|_| Self)
        }
    }

    #[test]
    fn more_than_was_asked_for_is_ignored() {
        check("[1,2,3]", (1, 2));
        check("[1,2,3]", ());
    }

    #[test]
    fn less_is_none_where_it_can_be() {
        check("[]", ());
        check("[]", None::<u8>);
        check("[1]", (1, None::<u8>));
        check("[1]", (1, None::<Point>, ()));
        check("[]", IgnoredButEqual);
        refuse::<u8>("[]", "argument 1: missing, expected u8");
        refuse::<Point>("[]", "argument 1: missing, expected struct Point");
        refuse::<(u8, String)>("[1]", "argument 2: missing, expected a string");
        refuse::<(u8, Option<u8>, Value)>("[1]", "argument 3: missing, expected any value");
    }

    #[test]
    fn errors_name_the_argument() {
        refuse::<(u8, u8)>(r#"[1,"x"]"#, r#"argument 2: invalid type: string "x", expected u8"#);
        refuse::<Point>(r#"[{"x":1}]"#, "argument 1: missing field `y`");
        refuse::<Vec<u8>>("[300]", "argument 1: invalid type: integer `300`, expected a sequence");
        refuse::<((u8, u8), u8)>("[[1],2]", "argument 1: invalid length 1, expected a tuple of size 2");
        let error = InArgs::from_json("[1]").unwrap().deserialize::<String>().unwrap_err();
        assert_eq!(error.argument(), Some(1));
    }

    #[test]
    fn bytes_arrive_at_any_depth() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct File {
            name: String,
            #[serde(with = "serde_bytes")]
            data: Vec<u8>,
            more: Vec<Bytes>,
        }
        let args = InArgs::from_json(
            r#"[{"name":"a","data":{"_placeholder":true,"num":0},"more":[{"num":1,"_placeholder":true}]},{"_placeholder":true,"num":0}]"#,
        );
        let args = args.unwrap().with_attachments(vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")]);
        let (file, again): (File, ByteBuf) = args.deserialize().unwrap();
        let expected = File { name: "a".into(), data: b"one".to_vec(), more: vec![Bytes::from_static(b"two")] };
        assert_eq!((file, &again[..]), (expected, &b"one"[..]));
        assert_eq!(args.to_out().unwrap().attachments(), ["one", "two"]);
        // Values and back: in order of appearance now.
        let out = OutArgs::from_values(&args.to_values().unwrap()).unwrap();
        assert_eq!(out.attachments(), ["one", "two", "one"]);
    }

    #[test]
    fn raw_json_is_what_came() {
        let args = InArgs::from_json("[ 1.0 , {\"b\":1,\"a\":2} ]").unwrap();
        assert_eq!(args.raw_json(), Some("1.0 , {\"b\":1,\"a\":2}"));
        let raw: Box<serde_json::value::RawValue> = args.deserialize().unwrap();
        assert_eq!(raw.get(), "1.0");
        assert!(InArgs::from_json("{}").is_err() && InArgs::from_json("[1").is_err());
    }

    #[test]
    fn a_tuple_without_end_takes_what_there_is() {
        #[derive(Debug, PartialEq)]
        struct All(Vec<Value>);
        impl<'de> Deserialize<'de> for All {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Everything;
                impl<'de> Visitor<'de> for Everything {
                    type Value = All;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("anything")
                    }
                    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<All, A::Error> {
                        let mut all = Vec::new();
                        while let Some(value) = seq.next_element()? {
                            all.push(value);
                        }
                        Ok(All(all))
                    }
                }
                deserializer.deserialize_tuple(ALL_ARGUMENTS, Everything)
            }
        }
        for array in ["[]", "[null]", r#"[1,[2],{"three":null}]"#] {
            for args in forms(array) {
                assert_eq!(args.deserialize(), Ok(All(args.to_values().unwrap())), "{array}");
            }
        }
    }
}
