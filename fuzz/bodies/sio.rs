//! What holds for a packet of either parser once it was accepted.

use sori_proto::{
    Limits, Number, Value,
    eio::Revision,
    sio::{Decoder, InArgs, Incoming, OutArgs, Parser, is_reserved, json, msgpack},
};

use super::memory;

pub const LIMITS: fn() -> Limits = || Limits { max_attachments: 3, namespace_name_max: 64, ..Limits::default() };

/// What a byte may become as a value: `[0],` is four bytes, and one value in an array with room for four.
pub const VALUE_BYTES: usize = 64;

/// An accepted packet that can be said again, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Disconnect { namespace: String },
    Event { namespace: String, name: String, ack: Option<u64>, args: Vec<Value> },
    Ack { namespace: String, id: u64, args: Vec<Value> },
}

/// Checks what holds for every accepted packet. `None` for one that cannot be said again: a connect, which is the client's
/// alone, or arguments that are no values (too deep, a number beyond all floats, keys that are no text).
pub fn said(packet: &Incoming<'_>) -> Option<Said> {
    let (Incoming::Connect { namespace, .. }
    | Incoming::Disconnect { namespace }
    | Incoming::Event { namespace, .. }
    | Incoming::Ack { namespace, .. }
    | Incoming::ConnectError { namespace, .. }) = packet;
    assert!(namespace.starts_with('/') && namespace.len() <= LIMITS().namespace_name_max as usize);
    let namespace = namespace.to_string();
    match packet {
        Incoming::Connect { auth, query, .. } => {
            if let Some(auth) = auth {
                assert!(auth.starts_with(b"{"));
                assert!(serde_json::from_slice::<serde::de::IgnoredAny>(auth).is_ok());
            }
            assert!(query.as_ref().is_none_or(|query| query.len() < LIMITS().namespace_name_max as usize));
            None
        }
        Incoming::Disconnect { .. } => Some(Said::Disconnect { namespace }),
        Incoming::Event { name, args, ack, .. } => {
            assert!(!is_reserved(name));
            Some(Said::Event { namespace, name: name.to_string(), ack: *ack, args: values(args)? })
        }
        Incoming::Ack { id, args, .. } => Some(Said::Ack { namespace, id: *id, args: values(args)? }),
        Incoming::ConnectError { .. } => panic!("a server refuses, no client"),
    }
}

/// Values follow what came, `len` bytes.
pub fn values_are_bounded(packet: &Incoming<'_>, len: usize) {
    if let Incoming::Event { args, .. } | Incoming::Ack { args, .. } = packet {
        let held = memory::peak(|| drop(args.to_values()));
        assert!(held <= VALUE_BYTES * len + 1_024, "{held} bytes for {len}");
    }
}

impl Said {
    pub fn args(&self) -> &[Value] {
        match self {
            Self::Disconnect { .. } => &[],
            Self::Event { args, .. } | Self::Ack { args, .. } => args,
        }
    }

    /// Written as JSON with `args` and read again.
    pub fn by_json(&self, revision: Revision, args: &OutArgs) -> Self {
        let mut wire = Vec::new();
        match self {
            Self::Disconnect { namespace } => json::disconnect(&mut wire, namespace),
            Self::Event { namespace, name, ack, .. } => json::event(&mut wire, namespace, *ack, name, args, None),
            Self::Ack { namespace, id, .. } => json::ack(&mut wire, namespace, *id, args),
        }
        let text = str::from_utf8(&wire).expect("JSON is text");
        let read = |text: &str| {
            let (limits, mut decoder) = (LIMITS(), Decoder::new(revision, Parser::Json));
            let mut packet = decoder.text(text, &limits).expect("our own");
            for attachment in args.attachments() {
                assert!(packet.is_none());
                packet = decoder.binary(attachment, &limits).expect("our own");
            }
            said(&packet.expect("whole")).expect("the same values")
        };
        assert_eq!(read(text), read(&json::ascii(text)));
        read(text)
    }

    /// Written as MessagePack with `args` and read again.
    pub fn by_msgpack(&self, revision: Revision, args: &OutArgs) -> Self {
        let mut wire = Vec::new();
        match self {
            Self::Disconnect { namespace } => msgpack::disconnect(&mut wire, namespace),
            Self::Event { namespace, name, ack, .. } => msgpack::event(&mut wire, namespace, *ack, name, args, None),
            Self::Ack { namespace, id, .. } => msgpack::ack(&mut wire, namespace, *id, args),
        }
        let packet = Decoder::new(revision, Parser::Msgpack).binary(&wire, &LIMITS()).expect("our own");
        said(&packet.expect("whole")).expect("the same values")
    }
}

/// The arguments, as every way to ask for them tells them.
fn values(args: &InArgs) -> Option<Vec<Value>> {
    let first = args.deserialize::<Value>();
    let two = args.deserialize::<(Option<Value>, Option<Value>)>();
    let values: Vec<Value> = args.to_values().ok()?.into_iter().map(finite).collect();
    assert_eq!(values.len(), args.len());
    assert_eq!(first.ok().map(finite).as_ref(), values.first());
    let (a, b) = two.expect("two that may be missing");
    assert_eq!(a.map_or(Value::Null, finite), values.first().cloned().unwrap_or_default());
    assert_eq!(b.map_or(Value::Null, finite), values.get(1).cloned().unwrap_or_default());
    Some(values)
}

/// JSON has no NaN and no infinity, and says null. MessagePack has; events go out by way of JSON.
fn finite(value: Value) -> Value {
    match value {
        Value::Number(number) if !Number::as_f64(number).is_finite() => Value::Null,
        Value::Array(items) => items.into_iter().map(finite).collect::<Vec<_>>().into(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, finite(value))).collect::<Vec<_>>().into(),
        other => other,
    }
}
