//! How a client is let into a namespace.

use std::sync::Arc;

use bytes::Bytes;
use sori_proto::eio::Revision;

use crate::{
    error::ConnectError,
    handler::{Admission, BoxFuture, Connection, Started, start},
    ids::{Id, Sid},
    log::{Returned, Since},
    namespace::NamespaceCore,
    peer::{Peer, Refused},
    socket::Socket,
};

/// A client asks for a namespace.
pub(crate) fn connect(peer: &Arc<Peer>, key: u32, name: &str, query: Option<Box<str>>, auth: Option<Bytes>) {
    let shared = &peer.shared;
    let auth = match (peer.revision, query) {
        (Revision::V3, query) => query.map(|query| query_as_json(&query)),
        (Revision::V4, _) => auth,
    };
    let Some(namespace) = shared.namespaces.find_or_create(shared, name, auth.as_deref()) else {
        return peer.refuse(key, Refused::NoNamespace);
    };
    if let Some(plain) = &peer.plain
        && plain.is_callback
        && !namespace.handlers().allows_callbacks
    {
        return peer.refuse(key, Refused::NoCallbacks);
    }
    let returned = come_back(peer, &namespace, auth.as_ref());
    let (id, pid) = match &returned {
        Some(returned) => (Id::from(&*returned.id), Sid::parse(&returned.pid)),
        None => (new_id(peer, name), new_pid(peer, &namespace)),
    };
    let socket = Socket::new(key, peer, namespace.clone(), id, pid, auth, returned.as_ref());
    let undecided = Undecided { socket, returned };
    let future: BoxFuture<()> = Box::pin(admit(namespace, undecided));
    if let Started::Pending(future) = start(shared, future) {
        shared.spawn(future);
    }
}

/// Runs the middlewares, then lets the client in or keeps it out.
async fn admit(namespace: Arc<NamespaceCore>, undecided: Undecided) {
    let socket = &undecided.socket;
    let recovery = socket.0.peer.shared.config.connection_state_recovery;
    let skips = undecided.returned.is_some() && recovery.is_some_and(|recovery| recovery.skip_middlewares);
    if !skips {
        for middleware in &namespace.handlers().middlewares {
            let verdict = match middleware.call(&mut Admission { socket: socket.clone() }) {
                Ok(future) => future.await,
                Err(rejection) => Err(ConnectError::new(rejection.to_string())),
            };
            if let Err(error) = verdict {
                return refuse(socket, &error);
            }
        }
    }
    // Before the reply, because a client whose on_connect cannot be called was not let in.
    if let Some(handler) = &namespace.handlers().connect
        && let Err(rejection) = handler.check(&mut Connection { socket: socket.clone() })
    {
        return refuse(socket, &ConnectError::new(rejection.to_string()));
    }
    undecided.enter(&namespace);
}

/// A client that waits for a decision. Without one, because a middleware panicked, it is kept out, and what it
/// might have resumed stays for its next try.
struct Undecided {
    socket: Socket,
    returned: Option<Returned>,
}

impl Undecided {
    fn enter(mut self, namespace: &NamespaceCore) {
        let socket = &self.socket;
        if socket.0.peer.accept(socket, |reply| namespace.enter(socket, reply, self.returned.as_ref())) {
            self.returned = None;
            self.socket.0.inbox.run(&self.socket);
            self.socket.0.peer.tell_opener(Ok(self.socket.clone()));
        }
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        let (namespace, peer) = (&self.socket.0.namespace, &self.socket.0.peer);
        if let (Some(log), Some(returned)) = (&namespace.log, self.returned.take()) {
            log.lock().put_back(returned);
        }
        // Nothing happens when it was let in, or has been refused.
        peer.refuse(self.socket.0.key, Refused::Error(&ConnectError::new("internal error")));
    }
}

fn refuse(socket: &Socket, error: &ConnectError) {
    tracing::debug!(id = socket.id(), namespace = socket.namespace(), %error, "client refused");
    socket.0.peer.refuse(socket.0.key, Refused::Error(error));
}

/// What a client that says so gets back: with Socket.IO the `pid` and `offset` of its `auth`, else the `sid` and its cursor.
fn come_back(peer: &Peer, namespace: &NamespaceCore, auth: Option<&Bytes>) -> Option<Returned> {
    /// What a client 4.6 or newer adds to its `auth` when it resumes.
    #[derive(serde::Deserialize)]
    struct Resume {
        pid: String,
        offset: String,
    }
    match (&peer.plain, peer.revision) {
        (Some(plain), _) => match &plain.since {
            Some(Since::Cursor(cursor)) => namespace.come_back(&peer.sid, cursor),
            _ => None,
        },
        (None, Revision::V3) => None,
        (None, Revision::V4) => {
            let resume: Resume = serde_json::from_slice(auth?).ok()?;
            namespace.come_back(&resume.pid, &resume.offset)
        }
    }
}

/// The secret by which a client may come back, if it may.
fn new_pid(peer: &Peer, namespace: &NamespaceCore) -> Option<Sid> {
    match (&peer.plain, peer.revision) {
        _ if !namespace.may_return => None,
        (Some(plain), _) => plain.is_found_by_sid.then_some(peer.sid),
        // Clients of revision 3 know nothing of it and never come back for it.
        (None, Revision::V3) => None,
        (None, Revision::V4) => Some(Sid::random()),
    }
}

/// Clients of revision 3 derive their id from the session's; newer ones get a fresh one.
fn new_id(peer: &Peer, namespace: &str) -> Id {
    match (peer.revision, namespace) {
        _ if peer.plain.is_some() => Id::random(),
        (Revision::V3, "/") => Id::from(&*peer.sid),
        (Revision::V3, other) => Id::from(&*format!("{other}#{}", &*peer.sid)),
        (Revision::V4, _) => Id::random(),
    }
}

/// The query of a 2.x client's namespace becomes its `auth`: strings only, the last of each name.
fn query_as_json(query: &str) -> Bytes {
    let map: serde_json::Map<String, serde_json::Value> =
        form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into_owned(), value.into_owned().into())).collect();
    serde_json::Value::Object(map).to_string().into()
}
