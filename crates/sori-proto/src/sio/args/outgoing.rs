//! Arguments on their way out: serialized once, for every receiver.

use std::io;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use super::{EncodeError, InArgs, placeholder};
use crate::{Value, sio::json};

/// The arguments of one event or ack, serialized once.
///
/// A tuple is several arguments, `()` is none, everything else is one. (A Rust array is a tuple to
/// serde: `&[1, 2][..]` or a `Vec` is one argument, `[1, 2]` is two.) Bytes anywhere inside leave
/// the JSON and become attachments.
///
/// ```
/// use sori_proto::sio::OutArgs;
/// let args = OutArgs::new(&(1, "two", bytes::Bytes::from_static(b"3")))?;
/// assert_eq!(args.json(), r#"1,"two",{"_placeholder":true,"num":0}"#);
/// assert_eq!(args.attachments(), ["3"]);
/// # Ok::<_, sori_proto::sio::EncodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutArgs {
    len: u32,
    json: Box<str>,
    attachments: Box<[Bytes]>,
}

impl OutArgs {
    /// Serializes arguments.
    pub fn new<T: Serialize + ?Sized>(data: &T) -> Result<Self, EncodeError> {
        let (mut json, mut attachments) = (Vec::new(), Vec::new());
        let mut outermost = Outermost::Other;
        let mut inner = serde_json::Serializer::with_formatter(&mut json, Attach(&mut attachments));
        data.serialize(Spread { inner: &mut inner, outermost: &mut outermost })
            .map_err(|error| EncodeError::Serialize(error.to_string().into()))?;
        let len = match outermost {
            Outermost::Text(json) => return Ok(Self { len: 1, json, attachments: Box::default() }),
            // `()` was written as nothing.
            Outermost::Other => usize::from(!json.is_empty()),
            // And a tuple as an array.
            Outermost::Tuple(len) => {
                json.pop();
                json.remove(0);
                if json.is_empty() { 0 } else { len }
            }
        };
        Self::checked(json, len, attachments)
    }

    /// Arguments made of values, each one argument. Bytes are shared, not copied.
    pub fn from_values(values: &[Value]) -> Result<Self, EncodeError> {
        let (mut json, mut attachments) = (Vec::with_capacity(128), Vec::new());
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                json.push(b',');
            }
            write_value(&mut json, &mut attachments, value);
        }
        Self::checked(json, values.len(), attachments)
    }

    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    /// The arguments as JSON, separated by commas, with placeholders for the attachments.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Whether the only argument is bytes.
    pub fn is_one_attachment(&self) -> bool {
        self.len == 1 && self.attachments.len() == 1 && &*self.json == r#"{"_placeholder":true,"num":0}"#
    }

    /// The bytes that go beside the JSON, in order.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// Refuses more attachments than `limit`.
    pub fn check_attachments(&self, limit: u32) -> Result<(), EncodeError> {
        match self.attachments.len() {
            count if count > limit as usize => Err(EncodeError::TooManyAttachments { count, limit }),
            _ => Ok(()),
        }
    }

    /// The arguments as values, for a parser that is not JSON. JSON deeper than 128 levels, which
    /// only a deeper `Serialize` can have made, comes as no arguments.
    pub fn to_values(&self) -> Vec<Value> {
        let mut values: Vec<Value> = serde_json::from_str(&format!("[{}]", self.json)).unwrap_or_default();
        if !self.attachments.is_empty() {
            values.iter_mut().for_each(|value| placeholder::fill(value, &self.attachments));
        }
        values
    }

    fn checked(json: Vec<u8>, len: usize, attachments: Vec<Bytes>) -> Result<Self, EncodeError> {
        let json = String::from_utf8(json).expect("serde_json writes UTF-8");
        if !attachments.is_empty() && placeholder::count(&json, attachments.len()).ok() != Some(attachments.len()) {
            return Err(EncodeError::Placeholder);
        }
        Ok(Self { len: u32::try_from(len).unwrap_or(u32::MAX), json: json.into(), attachments: attachments.into() })
    }

    pub(super) fn from_parts(json: &str, len: usize, attachments: &[Bytes]) -> Self {
        Self { len: u32::try_from(len).unwrap_or(u32::MAX), json: json.into(), attachments: attachments.into() }
    }
}

/// What came in may go out again as it is, without being understood.
impl TryFrom<&InArgs> for OutArgs {
    type Error = EncodeError;

    fn try_from(args: &InArgs) -> Result<Self, EncodeError> {
        args.to_out()
    }
}

fn write_value(json: &mut Vec<u8>, attachments: &mut Vec<Bytes>, value: &Value) {
    let mut separator = b'[';
    match value {
        Value::Binary(bytes) => write_placeholder(json, attachments, bytes.clone()).expect("a Vec takes everything"),
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                json.push(separator);
                write_value(json, attachments, item);
                separator = b',';
            }
            json.push(b']');
        }
        Value::Object(members) if !members.is_empty() => {
            separator = b'{';
            for (key, value) in members {
                json.push(separator);
                write_scalar(json, key);
                json.push(b':');
                write_value(json, attachments, value);
                separator = b',';
            }
            json.push(b'}');
        }
        other => write_scalar(json, other),
    }
}

fn write_scalar<T: Serialize + ?Sized>(json: &mut Vec<u8>, scalar: &T) {
    serde_json::to_writer(json, scalar).expect("scalars have a form in JSON and a Vec takes everything");
}

fn write_placeholder<W: io::Write + ?Sized>(json: &mut W, attachments: &mut Vec<Bytes>, bytes: Bytes) -> io::Result<()> {
    write!(json, r#"{{"_placeholder":true,"num":{}}}"#, attachments.len())?;
    attachments.push(bytes);
    Ok(())
}

/// Compact JSON that puts bytes aside.
struct Attach<'a>(&'a mut Vec<Bytes>);

impl Formatter for Attach<'_> {
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, json: &mut W, bytes: &[u8]) -> io::Result<()> {
        write_placeholder(json, self.0, Bytes::copy_from_slice(bytes))
    }
}

type Json<'a> = serde_json::Serializer<&'a mut Vec<u8>, Attach<'a>>;

/// Hands everything to serde_json and only notes what the outermost thing is.
struct Spread<'s, 'a> {
    inner: &'s mut Json<'a>,
    outermost: &'s mut Outermost,
}

/// What is serialized, seen from outside.
enum Outermost {
    /// One argument, or none.
    Other,
    /// So many arguments.
    Tuple(usize),
    /// A string without anything to escape, as JSON. Written here: serde_json looks at every byte alone.
    Text(Box<str>),
}

macro_rules! one_argument {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, value: $type) -> Result<(), serde_json::Error> {
            self.inner.$method(value)
        })*
    };
}

impl<'s, 'a> Serializer for Spread<'s, 'a> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = <&'s mut Json<'a> as Serializer>::SerializeSeq;
    type SerializeTuple = <&'s mut Json<'a> as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <&'s mut Json<'a> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'s mut Json<'a> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'s mut Json<'a> as Serializer>::SerializeMap;
    type SerializeStruct = <&'s mut Json<'a> as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'s mut Json<'a> as Serializer>::SerializeStructVariant;

    fn serialize_unit(self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, Self::Error> {
        *self.outermost = Outermost::Tuple(len);
        self.inner.serialize_tuple(len)
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, Self::Error> {
        *self.outermost = Outermost::Tuple(len);
        self.inner.serialize_tuple_struct(name, len)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_str(self, text: &str) -> Result<(), serde_json::Error> {
        if json::needs_escape(text) {
            return self.inner.serialize_str(text);
        }
        *self.outermost = Outermost::Text(["\"", text, "\""].concat().into());
        Ok(())
    }

    one_argument! {
        serialize_bool(bool)
        serialize_i8(i8)
        serialize_i16(i16)
        serialize_i32(i32)
        serialize_i64(i64)
        serialize_i128(i128)
        serialize_u8(u8)
        serialize_u16(u16)
        serialize_u32(u32)
        serialize_u64(u64)
        serialize_u128(u128)
        serialize_f32(f32)
        serialize_f64(f64)
        serialize_char(char)
        serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    fn serialize_none(self) -> Result<(), Self::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        self.inner.serialize_some(value)
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<(), Self::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.inner.serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, Self::Error> {
        self.inner.serialize_seq(len)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, Self::Error> {
        self.inner.serialize_tuple_variant(name, index, variant, len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, Self::Error> {
        self.inner.serialize_map(len)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, Self::Error> {
        self.inner.serialize_struct(name, len)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, Self::Error> {
        self.inner.serialize_struct_variant(name, index, variant, len)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_bytes::ByteBuf;

    use super::*;

    #[track_caller]
    fn check<T: Serialize + ?Sized>(data: &T, json: &str, attachments: &[&[u8]]) {
        let args = OutArgs::new(data).unwrap();
        assert_eq!(
            (args.json(), args.attachments()),
            (json, &attachments.iter().map(|a| Bytes::copy_from_slice(a)).collect::<Vec<_>>()[..])
        );
        assert_eq!(args.len(), args.to_values().len());
        // Through values and back it says the same.
        assert_eq!(OutArgs::from_values(&args.to_values()).unwrap(), args);
    }

    #[derive(Serialize)]
    struct Point {
        x: i32,
        y: f64,
    }

    #[derive(Serialize)]
    struct Pair(u8, u8);

    #[derive(Serialize)]
    struct Wrapped<T>(T);

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    enum Shape {
        Dot,
        Line(u8, u8),
    }

    #[test]
    fn a_tuple_is_several_arguments() {
        check(&(), "", &[]);
        check(&(1, "two", None::<u8>), r#"1,"two",null"#, &[]);
        check(&("a",), r#""a""#, &[]);
        check(&Pair(1, 2), "1,2", &[]);
        check(&Wrapped((1, 2)), "1,2", &[]);
        check(&[1, 2], "1,2", &[]);
        check(&((1, 2), [3]), "[1,2],[3]", &[]);
    }

    #[test]
    fn everything_else_is_one() {
        check(&1, "1", &[]);
        check("é\u{1}\"", r#""é\u0001\"""#, &[]);
        check(&vec![1, 2], "[1,2]", &[]);
        check(&[1, 2][..], "[1,2]", &[]);
        check(&None::<u8>, "null", &[]);
        check(&Some((1, 2)), "[1,2]", &[]);
        check(&Unit, "null", &[]);
        check(&f64::NAN, "null", &[]);
        check(&Point { x: 1, y: 0.5 }, r#"{"x":1,"y":0.5}"#, &[]);
        check(&(Shape::Dot, Shape::Line(1, 2)), r#""Dot",{"Line":[1,2]}"#, &[]);
        check(&Shape::Line(1, 2), r#"{"Line":[1,2]}"#, &[]);
        check(&BTreeMap::from([(1, true)]), r#"{"1":true}"#, &[]);
        check(&Value::Null, "null", &[]);
        check(&Value::Array(vec![]), "[]", &[]);
        check(&Value::Object(vec![]), "{}", &[]);
    }

    #[test]
    fn a_string_is_the_same_whoever_writes_it() {
        for last in (0..0x250).filter_map(char::from_u32) {
            for len in [0, 31, 32, 100] {
                let text = format!("{}{last}", "z".repeat(len));
                assert_eq!(OutArgs::new(&text).unwrap().json(), serde_json::to_string(&text).unwrap());
            }
        }
    }

    #[test]
    fn bytes_are_attached_in_order_of_appearance() {
        let hole = |num| format!(r#"{{"_placeholder":true,"num":{num}}}"#);
        check(&Bytes::from_static(b"a"), &hole(0), &[b"a"]);
        check(
            &(ByteBuf::from(b"a"), BTreeMap::from([("k", vec![ByteBuf::from(b""), ByteBuf::from(b"c")])])),
            &format!(r#"{},{{"k":[{},{}]}}"#, hole(0), hole(1), hole(2)),
            &[b"a", b"", b"c"],
        );
        // A list of numbers is one, even when they are small.
        check(b"ab".as_slice(), "[97,98]", &[]);
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let unspeakable = BTreeMap::from([((1, 2), 3)]);
        assert!(matches!(OutArgs::new(&unspeakable), Err(EncodeError::Serialize(_))));
        let args = OutArgs::new(&vec![Bytes::new(); 11]).unwrap();
        assert_eq!(args.check_attachments(11), Ok(()));
        let error = args.check_attachments(10).unwrap_err();
        assert_eq!(error.to_string(), "11 byte strings in one event, more than max_attachments (10)");
    }

    // A peer's object handed on beside bytes would close every receiver's connection.
    #[test]
    fn a_forged_placeholder_beside_bytes_is_refused() {
        let forged: serde_json::Value = serde_json::json!({"deep": [{"_placeholder": true, "num": 99}]});
        assert!(OutArgs::new(&forged).is_ok());
        assert_eq!(OutArgs::new(&(&forged, Bytes::new())), Err(EncodeError::Placeholder));
        let forged = serde_json::json!({"_placeholder": true, "num": 0});
        assert_eq!(OutArgs::new(&(&forged, Bytes::new())), Err(EncodeError::Placeholder));
        let raw = serde_json::value::RawValue::from_string(r#"{ "\u005fplaceholder" : true, "num":0 }"#.into()).unwrap();
        assert_eq!(OutArgs::new(&(&raw, Bytes::new())), Err(EncodeError::Placeholder));
        assert!(OutArgs::new(&("\"_placeholder\":true", Bytes::new())).is_ok());
    }
}
