//! What handlers may ask for.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, SeqAccess, Visitor},
    ser::SerializeTuple,
};
use sori_proto::{
    CloseReason, Value,
    sio::{ALL_ARGUMENTS, OutArgs},
};

use crate::{
    ack::Asker,
    error::EmitError,
    handler::{Admission, Connection, Disconnection, Event, Filter},
    server::Server,
    socket::Socket,
};

/// Something a handler takes as an argument, found in a call of kind `C`.
///
/// | argument | in | is |
/// | --- | --- | --- |
/// | [`Socket`] | all | the client |
/// | [`Data<T>`](Data) | events | the arguments: a tuple takes several, everything else the first |
/// | [`Bytes`] | events | the first argument, which is binary |
/// | [`Binary`] | events | every attachment, in order |
/// | [`Args`] | events | all arguments, whatever they are |
/// | [`EventName`] | events | the event's name |
/// | [`AckSender`] | events | answers the client, later or from elsewhere |
/// | [`Auth<T>`](Auth) | all | the `auth` payload |
/// | [`Query<T>`](Query) | all | the query of the handshake |
/// | [`HeaderMap`] | all | the headers of the handshake |
/// | [`State<T>`](State) | all | a value given to [`ServerBuilder::state`](crate::ServerBuilder::state) |
/// | [`Server`] | all | the server |
/// | [`CloseReason`] | `on_disconnect` | why the stay ended |
/// | `Option<T>` | as `T` | `None` where `T` cannot be had |
pub trait Extract<C>: Sized {
    /// Finds it, or says why not.
    fn extract(call: &mut C) -> Result<Self, Rejection>;
}

/// Why a handler could not be called. Its event is dropped, counted in [`Stats::rejections`](crate::Stats) and logged at `debug`, and
/// its ack stays unanswered. A connection is refused with it, when it comes from a middleware or from `on_connect`.
#[derive(Debug)]
pub struct Rejection(String);

impl Rejection {
    /// A rejection with its reason.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rejection {}

/// A call that is about a socket; all of ours are.
pub trait AboutSocket {
    /// The socket.
    fn socket(&self) -> &Socket;
}

impl AboutSocket for Connection {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl AboutSocket for Admission {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl AboutSocket for Event {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl AboutSocket for Filter {
    fn socket(&self) -> &Socket {
        &self.event.socket
    }
}

impl AboutSocket for Disconnection {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

/// A call that is about an event.
pub trait AboutEvent: AboutSocket {
    #[doc(hidden)]
    fn event(&mut self) -> &mut Event;
}

impl AboutEvent for Event {
    fn event(&mut self) -> &mut Event {
        self
    }
}

impl AboutEvent for Filter {
    fn event(&mut self) -> &mut Event {
        &mut self.event
    }
}

impl<C: AboutSocket> Extract<C> for Socket {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        Ok(call.socket().clone())
    }
}

/// An event's arguments. A tuple takes as many arguments as it has members, everything else takes the first; a missing one is `null`
/// and fits an `Option`. What does not fit is a [`Rejection`]: the handler never sees an event of another shape. Bytes are taken by [`Bytes`] fields.
///
/// ```
/// # use sori::Data;
/// async fn msg(Data(text): Data<String>) { /* client: socket.emit("msg", "hi") */ }
/// async fn add(Data((a, b)): Data<(i64, i64)>) { /* client: socket.emit("add", 1, 2) */ }
/// ```
pub struct Data<T>(pub T);

impl<C: AboutEvent, T: DeserializeOwned> Extract<C> for Data<T> {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        call.event().args.deserialize().map(Data).map_err(Rejection::new)
    }
}

/// The first argument, which must be binary.
impl<C: AboutEvent> Extract<C> for Bytes {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        call.event().args.deserialize().map_err(Rejection::new)
    }
}

/// Every binary attachment of an event, in order, wherever it stood.
pub struct Binary(pub Vec<Bytes>);

impl<C: AboutEvent> Extract<C> for Binary {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        let values = call.event().args.to_values().map_err(Rejection::new)?;
        let mut found = Vec::new();
        values.into_iter().for_each(|value| collect_binary(value, &mut found));
        Ok(Self(found))
    }
}

fn collect_binary(value: Value, found: &mut Vec<Bytes>) {
    match value {
        Value::Binary(data) => found.push(data),
        Value::Array(values) => values.into_iter().for_each(|value| collect_binary(value, found)),
        Value::Object(entries) => entries.into_iter().for_each(|(_, value)| collect_binary(value, found)),
        _ => {}
    }
}

/// All arguments of an event, whatever they are. Emitted or as an [`Ack`] they are as many arguments again;
/// asked for by `emit_with_ack` they are all that the client answered.
///
/// ```
/// # use sori::{Ack, Args};
/// async fn echo(args: Args) -> Ack<Args> { Ack(args) }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args(pub Vec<Value>);

impl<C: AboutEvent> Extract<C> for Args {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        call.event().args.to_values().map(Args).map_err(Rejection::new)
    }
}

impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|value| tuple.serialize_element(value))?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Args {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Args;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Args, A::Error> {
                let mut args = Vec::new();
                while let Some(value) = seq.next_element()? {
                    args.push(value);
                }
                Ok(Args(args))
            }
        }
        deserializer.deserialize_tuple(ALL_ARGUMENTS, All)
    }
}

/// The name of an event, for catch-all handlers and middlewares.
pub struct EventName(pub Box<str>);

impl<C: AboutEvent> Extract<C> for EventName {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        Ok(Self(call.event().name.clone()))
    }
}

/// What a handler returns to answer the client's ack: a tuple as several arguments, everything else as one.
///
/// ```
/// # use sori::{Ack, Data};
/// async fn add(Data((a, b)): Data<(i64, i64)>) -> Ack<i64> { Ack(a + b) }
/// ```
pub struct Ack<T>(pub T);

/// Answers the client later, or from elsewhere. The first answer counts; none is sent when the client asked for none.
pub struct AckSender {
    socket: Socket,
    asker: Option<Asker>,
}

impl AckSender {
    /// Whether the client waits for an answer.
    pub fn is_wanted(&self) -> bool {
        self.asker.is_some()
    }

    /// Answers: a tuple as several arguments, everything else as one.
    pub fn send<T: Serialize + ?Sized>(self, data: &T) -> Result<(), EmitError> {
        let Some(asker) = &self.asker else { return Ok(()) };
        let args = OutArgs::new(data)?;
        self.socket.0.namespace.check_attachments(&args)?;
        if !self.socket.is_connected() {
            return Err(EmitError::Disconnected);
        }
        self.socket.answer(asker, args);
        Ok(())
    }
}

impl Extract<Event> for AckSender {
    fn extract(call: &mut Event) -> Result<Self, Rejection> {
        Ok(Self { socket: call.socket.clone(), asker: call.asker.take() })
    }
}

/// The `auth` payload of the client, a JSON object; for clients 1.x and 2.x the query of the namespace, strings only.
///
/// ```
/// # use sori::Auth;
/// #[derive(serde::Deserialize)]
/// struct Login { token: String }
/// async fn check(Auth(login): Auth<Login>) -> Result<(), &'static str> {
///     if login.token == "secret" { Ok(()) } else { Err("not authorized") }
/// }
/// ```
pub struct Auth<T>(pub T);

impl<C: AboutSocket, T: DeserializeOwned> Extract<C> for Auth<T> {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        // The client reads this: where in our copy of its JSON something is missing tells it nothing.
        call.socket().auth().map(Auth).map_err(|error| {
            let place = format!(" at line {} column {}", error.line(), error.column());
            Rejection(format!("auth: {}", error.to_string().replace(&place, "")))
        })
    }
}

/// The query of the handshake, e.g. `io({ query: { room: "lobby" } })`. Engine.IO's own names (`EIO`, `transport`, …) are in it.
pub struct Query<T>(pub T);

impl<C: AboutSocket, T: DeserializeOwned> Extract<C> for Query<T> {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        let query = call.socket().handshake().raw_query();
        serde_html_form::from_str(query).map(Query).map_err(|error| Rejection(format!("query: {error}")))
    }
}

impl<C: AboutSocket> Extract<C> for HeaderMap {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        Ok(call.socket().handshake().headers())
    }
}

/// A clone of a value that the application gave to the server with [`ServerBuilder::state`](crate::ServerBuilder::state), found by its type.
pub struct State<T>(pub T);

impl<C: AboutSocket, T: Clone + Send + Sync + 'static> Extract<C> for State<T> {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        call.socket().0.peer.shared.state.get().map(State).ok_or_else(|| {
            Rejection(format!("no state of type {0}: give it to Server::builder().state(…)", std::any::type_name::<T>()))
        })
    }
}

impl<C: AboutSocket> Extract<C> for Server {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        Ok(Server::from_shared(call.socket().0.peer.shared.clone()))
    }
}

impl Extract<Disconnection> for CloseReason {
    fn extract(call: &mut Disconnection) -> Result<Self, Rejection> {
        Ok(call.reason)
    }
}

impl<C, T: Extract<C>> Extract<C> for Option<T> {
    fn extract(call: &mut C) -> Result<Self, Rejection> {
        Ok(T::extract(call).ok())
    }
}
