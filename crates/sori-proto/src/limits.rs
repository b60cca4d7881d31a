//! Every number a peer can push against.

/// Bounds of one server, with the reference's defaults where the reference has the option.
///
/// Times are milliseconds, sizes are bytes.
///
/// ```
/// use sori_proto::Limits;
/// let limits = Limits { ping_interval_ms: 10_000, ..Limits::default() };
/// assert_eq!(limits.max_http_buffer_size, 1_000_000);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time between two heartbeats (`pingInterval`).
    pub ping_interval_ms: u32,
    /// Time a heartbeat may stay unanswered before the session closes (`pingTimeout`).
    pub ping_timeout_ms: u32,
    /// Time a started upgrade may take (`upgradeTimeout`).
    pub upgrade_timeout_ms: u32,
    /// Time in which a client has to join a first namespace (`connectTimeout`).
    pub connect_timeout_ms: u32,
    /// Largest polling body and largest WebSocket message (`maxHttpBufferSize`, `maxPayload` in the handshake).
    pub max_http_buffer_size: u32,
    /// Binary attachments of one packet. Current clients refuse more than 10.
    pub max_attachments: u32,
    /// Engine.IO packets in one polling body, in either direction. A body of nothing but
    /// separators costs a scan and no more; python-socketio refuses answers beyond 16.
    pub payload_packets_max: u32,
    /// Bytes waiting for one peer. A handler may emit a few of the largest messages in a row before the
    /// connection gets its turn; a peer that lets more gather does not read, and is closed. An empty
    /// outbox accepts one event of any size. What a broadcast queues is shared between all peers.
    pub outbox_bytes_max: u32,
    /// Namespaces one session may have joined or be joining at the same time.
    pub namespaces_per_session_max: u32,
    /// Concrete namespaces that patterns and predicates may have created at the same time.
    pub dynamic_namespaces_max: u32,
    /// Rooms one socket may be in.
    pub rooms_per_socket_max: u32,
    /// Acks asked of one socket that have not been answered yet.
    pub pending_acks_max: u32,
    /// Event handlers of one socket that run at the same time; further events wait in its inbox.
    pub handlers_max: u32,
    /// Events of one socket that wait for a handler to start; beyond it, close.
    pub inbox_events_max: u32,
    /// Bytes of one socket's events that wait for a handler to start; beyond it, close. An empty inbox
    /// takes one event of any size.
    pub inbox_bytes_max: u32,
    /// Bytes of a namespace's name, with its query string.
    pub namespace_name_max: u32,
    /// Bytes of one handshake's headers and query that are kept.
    pub handshake_bytes_max: u32,
    /// Time after which the session of a plain client that nobody asks for ends.
    pub plain_idle_ms: u32,
    /// Longest time that a poll of a plain client may ask to wait.
    pub poll_wait_max_ms: u32,
    /// Time in which an event that a plain client sends again, with the same `id`, is answered as the first time.
    pub repeat_window_ms: u32,
    /// Answers of the whole server that are kept for that; beyond it, the oldest are forgotten.
    pub repeats_max: u32,
    /// Bytes of those answers; beyond it, the oldest are forgotten.
    pub repeats_bytes_max: u32,
    /// Sessions of the whole server; further handshakes are answered 503.
    pub sessions_max: u32,
    /// Events that the log of one namespace keeps, for recovery and as history.
    pub log_events_max: u32,
    /// Bytes that the log of one namespace keeps, for recovery and as history.
    pub log_bytes_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            upgrade_timeout_ms: 10_000,
            connect_timeout_ms: 45_000,
            max_http_buffer_size: 1_000_000,
            max_attachments: 10,
            payload_packets_max: 10_000,
            outbox_bytes_max: 8 << 20,
            namespaces_per_session_max: 64,
            dynamic_namespaces_max: 10_000,
            rooms_per_socket_max: 10_000,
            pending_acks_max: 10_000,
            handlers_max: 256,
            inbox_events_max: 1_024,
            inbox_bytes_max: 8 << 20,
            namespace_name_max: 1_024,
            handshake_bytes_max: 32 * 1_024,
            plain_idle_ms: 60_000,
            poll_wait_max_ms: 60_000,
            repeat_window_ms: 120_000,
            repeats_max: 10_000,
            repeats_bytes_max: 16 << 20,
            sessions_max: 1_000_000,
            log_events_max: 100_000,
            log_bytes_max: 64 << 20,
        }
    }
}
