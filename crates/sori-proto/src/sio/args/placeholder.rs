//! `{"_placeholder":true,"num":0}`: where an attachment belongs in a packet's JSON.

use std::{cell::Cell, fmt};

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

use crate::Value;

/// The message of the error for a placeholder that points at no attachment.
pub(crate) const ILLEGAL: &str = "illegal attachments";

/// Walks one value without building it and counts its placeholders. One that points beside the
/// `attachments` there are is the error [`ILLEGAL`].
pub(crate) struct Check<'c> {
    pub(crate) attachments: usize,
    pub(crate) found: &'c Cell<usize>,
}

/// What a value is to the object that holds it.
pub(crate) enum Seen {
    True,
    Index(u64),
    Other,
}

impl<'de> DeserializeSeed<'de> for &Check<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Check<'_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Index(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen, A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(Seen::Other)
    }

    // As in JavaScript, the last of two equal keys counts.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut marked, mut index) = (false, None);
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let value = map.next_value_seed(self)?;
            match (key, value) {
                (Key::Placeholder, value) => marked = matches!(value, Seen::True),
                (Key::Num, Seen::Index(num)) => index = Some(num),
                (Key::Num, _) => index = None,
                (Key::Other, _) => {}
            }
        }
        if marked {
            index
                .and_then(|num| usize::try_from(num).ok())
                .filter(|num| *num < self.attachments)
                .ok_or_else(|| A::Error::custom(ILLEGAL))?;
            self.found.set(self.found.get() + 1);
        }
        Ok(Seen::Other)
    }
}

/// Counts the placeholders in the arguments `json`, which is an array's inside.
pub(crate) fn count(json: &str, attachments: usize) -> Result<usize, serde_json::Error> {
    let found = Cell::new(0);
    let check = Check { attachments, found: &found };
    (&check).deserialize(&mut serde_json::Deserializer::from_str(&format!("[{json}]")))?;
    Ok(found.get())
}

/// Puts the attachments where their placeholders are. These have been checked.
pub(crate) fn fill(value: &mut Value, attachments: &[Bytes]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, attachments)),
        Value::Object(_) if value.get("_placeholder") == Some(&Value::Bool(true)) => {
            let num = value.get("num").and_then(Value::as_u64).and_then(|num| usize::try_from(num).ok());
            *value = num.and_then(|num| attachments.get(num)).cloned().map_or(Value::Null, Value::Binary);
        }
        Value::Object(members) => members.iter_mut().for_each(|(_, value)| fill(value, attachments)),
        _ => {}
    }
}

enum Key {
    Placeholder,
    Num,
    Other,
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            "_placeholder" => Key::Placeholder,
            "num" => Key::Num,
            _ => Key::Other,
        })
    }
}
