//! The lab: every transport as a lane in the same room, and what each of them costs.
//!
//! A page makes up a lab's name for itself and opens its lanes in it, so that strangers do not disturb each other. One more
//! connection, the voice, speaks to the room without sitting in it, and asks what the server has measured.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{Router, response::Redirect, routing::get};
use serde::{Deserialize, Serialize};
use sori::{
    Ack, BuildError, ConnectionStateRecovery, Data, EmitError, History, Namespace, Query, Server, Socket, State, Traffic,
};
use tokio::task::AbortHandle;

use crate::{
    limits::{Place, Places, Rates},
    pages,
    site::Site,
};

/// Where the lab answers clients without a library.
const LIVE: &str = "/lab/live";
/// Where it answers those of Socket.IO.
const SOCKET_IO: &str = "/lab/socket.io";
const PAYLOAD_BYTES_MAX: usize = 16 << 10;
const TICKS_PER_SECOND_MAX: u32 = 100;
const TICKS_SECONDS_MAX: u32 = 60;
const LABS_MAX: usize = 500;
/// Every lane, the voice, and for each of them one that has been replaced and is not missed yet, and some to spare.
const SOCKETS_PER_LAB_MAX: usize = 40;
/// How long a client may be away, and a lab be empty.
const AWAY: Duration = Duration::from_secs(120);

/// The lab's page, its server, and how both are reached.
pub(crate) fn app(site: &Site) -> Result<(Router, Server), BuildError> {
    let lab = Namespace::new()
        .history(History::new(10_000, AWAY))
        .allow_callbacks()
        .on_connect(enter)
        .on("say", say)
        .on("tick", tick)
        .on("traffic", async |socket: Socket, State(labs): State<Labs>| Ack(labs.measured(&socket)))
        .on("drop", async |socket: Socket, State(labs): State<Labs>| labs.drop_lanes(&socket))
        .on_disconnect(async |socket: Socket, State(labs): State<Labs>| labs.leave(&socket));
    let server = site
        .server_at(SOCKET_IO, 4_000, Rates::new(240, 2_000, Duration::from_secs(10)))
        .plain_path(LIVE)
        .count_traffic(true)
        .connection_state_recovery(ConnectionStateRecovery { max_disconnection_duration: AWAY, ..Default::default() })
        .max_http_buffer_size(64 << 10)
        .limits(|limits| limits.log_bytes_max = 32 << 20)
        // What is measured is what is said.
        .http_compression(None)
        .state(Labs::default())
        .namespace("/", lab);
    let io = site.client(server, &sori::Config::default().client_version).build()?;
    let mut router = pages::lab()?.route("/lab/", get(|| async { Redirect::permanent("/lab") }));
    for path in [LIVE, SOCKET_IO] {
        for route in [path.to_owned(), format!("{path}/"), format!("{path}/{{*rest}}")] {
            router = router.route_service(&route, io.service());
        }
    }
    Ok((router, io))
}

/// A lane sits down in its lab, or the voice comes.
async fn enter(socket: Socket, State(labs): State<Labs>, Query(seat): Query<Seat>) -> Result<(), EmitError> {
    let address = socket.handshake().address().map(|address| address.ip());
    // The lock ends before the socket does: its `on_disconnect` takes it, too.
    let entered = labs.enter(&socket, seat, address);
    if entered?.is_none() {
        socket.emit("refused", "full")?;
        socket.disconnect();
    }
    Ok(())
}

/// Says something to the lab of this socket.
async fn say(io: Server, socket: Socket, State(labs): State<Labs>, Data(say): Data<Say>) -> Result<(), EmitError> {
    let Some(seat) = socket.data().get::<Seat>() else { return Ok(()) };
    match labs.say(&io, &seat, Some(say.at), &say.pad)? {
        true => Ok(()),
        false => socket.emit("refused", "rate").map(drop),
    }
}

/// The server itself speaks for a while: `rate` times a second, until it is told 0.
async fn tick(io: Server, socket: Socket, State(labs): State<Labs>, Data(ticks): Data<Ticks>) {
    let Some(seat) = socket.data().get::<Seat>() else { return };
    let rate = ticks.rate.min(TICKS_PER_SECOND_MAX);
    let count = rate * ticks.seconds.min(TICKS_SECONDS_MAX);
    let pad = "sori ".chars().cycle().take((ticks.size as usize).min(PAYLOAD_BYTES_MAX)).collect::<String>();
    let in_labs = labs.clone();
    let lab = seat.lab.clone();
    let task = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
        for _ in 0..count {
            beat.tick().await;
            if let Err(error) = in_labs.say(&io, &Seat { lane: Lane::Server, ..seat.clone() }, None, &pad) {
                tracing::warn!(%error, "the lab's ticks ended");
                return;
            }
        }
    });
    labs.ticking(&lab, task.abort_handle());
}

/// Who somebody is: the query of the handshake.
#[derive(Clone, Deserialize)]
struct Seat {
    lab: LabName,
    lane: Lane,
    /// Whose limits it counts against.
    #[serde(skip)]
    address: Option<IpAddr>,
}

/// A lab's name: nobody else guesses it.
#[derive(Clone, Deserialize, Eq, Hash, PartialEq)]
#[serde(try_from = "String")]
struct LabName(String);

impl TryFrom<String> for LabName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.len() {
            8..=40 if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(Self(name)),
            _ => Err("a lab's name has 8 to 40 letters and digits"),
        }
    }
}

impl LabName {
    /// Never the id of somebody's socket.
    fn room(&self) -> String {
        format!("lab {}", self.0)
    }
}

/// The lanes that there are.
#[derive(Clone, Copy, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Lane {
    ShortPolling,
    LongPolling,
    Jsonp,
    Iframe,
    Multipart,
    Lines,
    Sse,
    RawWebsocket,
    #[serde(rename = "socketio-polling")]
    SocketIoPolling,
    #[serde(rename = "socketio-websocket")]
    SocketIoWebsocket,
    /// Speaks, and hears nothing.
    Voice,
    /// Ticks come from nobody's lane.
    #[serde(skip_deserializing)]
    Server,
}

#[derive(Deserialize)]
struct Say {
    /// When the page said it, on the page's clock, which alone means something to it.
    at: f64,
    pad: String,
}

#[derive(Deserialize)]
struct Ticks {
    rate: u32,
    size: u32,
    seconds: u32,
}

#[derive(Serialize)]
struct Said<'a> {
    /// Counts what was said in this lab, without a gap.
    n: u64,
    from: Lane,
    at: Option<f64>,
    pad: &'a str,
}

#[derive(Serialize)]
struct Hello {
    /// What was said before does not concern this lane.
    n: u64,
}

/// What the voice is told.
#[derive(Default, Serialize)]
struct Measured {
    n: u64,
    lanes: BTreeMap<Lane, Used>,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Used {
    requests: u64,
    /// Towards the server.
    up: u64,
    down: u64,
}

impl Used {
    fn add(self, traffic: Option<Traffic>) -> Self {
        let traffic = traffic.unwrap_or_default();
        Self { requests: self.requests + traffic.requests, up: self.up + traffic.bytes_in, down: self.down + traffic.bytes_out }
    }
}

/// Every lab there is. Cheap to clone; clones are the same.
#[derive(Clone)]
struct Labs {
    labs: Arc<Mutex<HashMap<LabName, Lab>>>,
    seats: Places,
    /// Of what is said: one for each message and for each KiB of it.
    rates: Rates,
}

#[derive(Default)]
struct Lab {
    n: u64,
    /// What the ended sockets of each lane used.
    gone: BTreeMap<Lane, Used>,
    sockets: Vec<(Lane, Socket)>,
    left: Option<Instant>,
    ticking: Option<AbortHandle>,
}

impl Default for Labs {
    fn default() -> Self {
        Self { labs: Arc::default(), seats: Places::new(120, 3_000), rates: Rates::new(12_000, 40_000, Duration::from_secs(10)) }
    }
}

impl Labs {
    /// Held while the room is told, so that its numbers arrive in their order.
    fn lock(&self) -> MutexGuard<'_, HashMap<LabName, Lab>> {
        self.labs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing when there is no room left.
    fn enter(&self, socket: &Socket, seat: Seat, address: Option<IpAddr>) -> Result<Option<()>, EmitError> {
        let mut labs = self.lock();
        labs.retain(|_, lab| lab.left.is_none_or(|left| left.elapsed() < AWAY));
        if labs.len() >= LABS_MAX && !labs.contains_key(&seat.lab) {
            // Who has left makes room for who comes.
            let oldest = labs.iter().filter_map(|(name, lab)| Some((lab.left?, name))).min_by_key(|(left, _)| *left);
            let Some(name) = oldest.map(|(_, name)| name.clone()) else { return Ok(None) };
            labs.remove(&name);
        }
        let Some(place) = self.seats.take(address) else { return Ok(None) };
        let lab = labs.entry(seat.lab.clone()).or_default();
        if lab.sockets.len() >= SOCKETS_PER_LAB_MAX {
            return Ok(None);
        }
        lab.left = None;
        lab.sockets.push((seat.lane, socket.clone()));
        socket.data().insert::<Place>(place);
        if !matches!(seat.lane, Lane::Voice) {
            socket.join(seat.lab.room());
        }
        socket.data().insert(Seat { address, ..seat });
        socket.emit("hello", &Hello { n: lab.n }).map(|_| Some(()))
    }

    fn leave(&self, socket: &Socket) {
        socket.data().remove::<Place>();
        let Some(seat) = socket.data().get::<Seat>() else { return };
        let mut labs = self.lock();
        let Some(lab) = labs.get_mut(&seat.lab) else { return };
        let before = lab.sockets.len();
        lab.sockets.retain(|(_, other)| other != socket);
        if lab.sockets.len() < before {
            let gone = lab.gone.entry(seat.lane).or_default();
            *gone = gone.add(socket.traffic());
        }
        if lab.sockets.is_empty() {
            lab.left = Some(Instant::now());
            lab.ticking.take().inspect(AbortHandle::abort);
        }
    }

    /// False when more was said than one address, or all together, may say.
    fn say(&self, io: &Server, seat: &Seat, at: Option<f64>, pad: &str) -> Result<bool, EmitError> {
        let weight = 1 + (pad.len() >> 10) as u32;
        if pad.len() > PAYLOAD_BYTES_MAX || !self.rates.allow_many(seat.address, weight) {
            return Ok(false);
        }
        let mut labs = self.lock();
        let Some(lab) = labs.get_mut(&seat.lab) else { return Ok(true) };
        lab.n += 1;
        io.to(seat.lab.room()).emit("said", &Said { n: lab.n, from: seat.lane, at, pad })?;
        Ok(true)
    }

    /// One clock ticks in a lab.
    fn ticking(&self, lab: &LabName, task: AbortHandle) {
        let before = match self.lock().get_mut(lab) {
            Some(lab) => lab.ticking.replace(task),
            None => Some(task),
        };
        before.inspect(AbortHandle::abort);
    }

    /// What each lane has used, in all its sessions.
    fn measured(&self, socket: &Socket) -> Measured {
        let seat = socket.data().get::<Seat>();
        let labs = self.lock();
        let Some(lab) = seat.and_then(|seat| labs.get(&seat.lab)) else { return Measured::default() };
        let mut lanes = lab.gone.clone();
        for (lane, socket) in &lab.sockets {
            let used = lanes.entry(*lane).or_default();
            *used = used.add(socket.traffic());
        }
        Measured { n: lab.n, lanes }
    }

    /// Ends the connection of every lane, which is a lost one to its client.
    fn drop_lanes(&self, socket: &Socket) {
        let Some(seat) = socket.data().get::<Seat>() else { return };
        let lanes: Vec<_> = match self.lock().get(&seat.lab) {
            Some(lab) => lab.sockets.iter().filter(|(lane, _)| *lane != Lane::Voice).map(|(_, socket)| socket.clone()).collect(),
            None => return,
        };
        for lane in lanes {
            lane.conn().close();
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, Request, StatusCode},
    };
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;
    use crate::Gallery;

    /// The lab, and plain clients of it that poll.
    struct House(Router);

    impl House {
        fn new() -> Self {
            Self(Gallery::new(Default::default()).expect("a gallery").router())
        }

        async fn ask(&self, method: Method, target: &str, body: impl Into<Body>) -> (StatusCode, String) {
            let request = Request::builder().method(method).uri(target).header("content-type", "application/json");
            let answer = self.0.clone().oneshot(request.body(body.into()).expect("a request")).await.expect("an answer");
            let status = answer.status();
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
            (status, String::from_utf8_lossy(&body).into_owned())
        }

        /// What a poll brings: the session, the place, the events with their data.
        async fn poll(&self, query: &str) -> (String, String, Vec<(String, Value)>) {
            let (status, body) = self.ask(Method::GET, &format!("{LIVE}?wait=0&{query}"), "").await;
            assert_eq!(status, StatusCode::OK, "{body}");
            let answer: Value = serde_json::from_str(&body).expect("JSON");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let events = answer["events"].as_array().expect("events").iter();
            let events = events.map(|event| (text(&event["event"]), event["data"].clone())).collect();
            (text(&answer["sid"]), text(&answer["cursor"]), events)
        }

        async fn sit_down(&self, lab: &str, lane: &str) -> Seated<'_> {
            let (sid, cursor, events) = self.poll(&format!("lab={lab}&lane={lane}")).await;
            assert_eq!(events[1].0, "hello");
            Seated { house: self, sid, cursor }
        }
    }

    struct Seated<'a> {
        house: &'a House,
        sid: String,
        cursor: String,
    }

    impl Seated<'_> {
        async fn hear(&mut self) -> Vec<(String, Value)> {
            let (_, cursor, events) = self.house.poll(&format!("sid={}&since={}", self.sid, self.cursor)).await;
            self.cursor = cursor;
            events
        }

        async fn emit(&self, event: &str, data: Value) -> Value {
            let target = format!("{LIVE}?event={event}&sid={}", self.sid);
            let (status, body) = self.house.ask(Method::POST, &target, data.to_string()).await;
            assert!(status.is_success(), "{status}: {body}");
            serde_json::from_str(&body).unwrap_or_default()
        }
    }

    #[tokio::test]
    async fn a_lane_hears_its_lab_and_no_other_and_the_voice_hears_nothing() {
        let house = House::new();
        let mut voice = house.sit_down("labone01", "voice").await;
        let mut lane = house.sit_down("labone01", "short-polling").await;
        let mut stranger = house.sit_down("labtwo02", "short-polling").await;
        voice.emit("say", json!({ "at": 1.5, "pad": "소리" })).await;
        lane.emit("say", json!({ "at": 2, "pad": "" })).await;
        let said = [
            ("said".to_owned(), json!({ "n": 1, "from": "voice", "at": 1.5, "pad": "소리" })),
            ("said".to_owned(), json!({ "n": 2, "from": "short-polling", "at": 2.0, "pad": "" })),
        ];
        assert_eq!(lane.hear().await, said);
        assert!(voice.hear().await.is_empty() && stranger.hear().await.is_empty());
        let late = house.poll("lab=labone01&lane=sse").await.2;
        assert_eq!(late[1], ("hello".into(), json!({ "n": 2 })));
    }

    #[tokio::test]
    async fn the_voice_is_told_what_each_lane_used_in_all_its_sessions() {
        let house = House::new();
        let voice = house.sit_down("labone01", "voice").await;
        let mut lane = house.sit_down("labone01", "short-polling").await;
        lane.hear().await;
        let measured = voice.emit("traffic", Value::Null).await;
        let before = measured["lanes"]["short-polling"].clone();
        assert_eq!((&measured["n"], &before["requests"]), (&json!(0), &json!(2)));
        assert!(before["up"].as_u64() > Some(60) && before["down"].as_u64() > Some(100), "{before}");

        house.ask(Method::DELETE, &format!("{LIVE}?sid={}", lane.sid), "").await;
        house.sit_down("labone01", "short-polling").await;
        let measured = voice.emit("traffic", Value::Null).await;
        assert!(measured["lanes"]["short-polling"]["requests"].as_u64() >= Some(3), "{measured}");
        assert!(measured["lanes"]["short-polling"]["down"].as_u64() > before["down"].as_u64(), "{measured}");
    }

    #[tokio::test]
    async fn more_than_fits_is_refused_and_said() {
        let house = House::new();
        let mut lane = house.sit_down("labone01", "short-polling").await;
        lane.emit("say", json!({ "at": 0, "pad": "x".repeat(PAYLOAD_BYTES_MAX + 1) })).await;
        assert_eq!(lane.hear().await, [("refused".to_owned(), json!("rate"))]);
        for wrong in ["lab=short&lane=sse", "lab=with-a-dash&lane=sse", "lab=labone01&lane=server", "lab=labone01", "lane=sse"] {
            let (status, body) = house.ask(Method::GET, &format!("{LIVE}?wait=0&{wrong}"), "").await;
            assert!(status.is_client_error(), "{wrong}: {status} {body}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_speaks_as_often_as_it_was_asked_to() {
        let house = House::new();
        let voice = house.sit_down("labone01", "voice").await;
        let mut lane = house.sit_down("labone01", "short-polling").await;
        voice.emit("tick", json!({ "rate": 10, "size": 7, "seconds": 2 })).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let heard = lane.hear().await;
        assert_eq!(heard.len(), 20);
        assert_eq!(heard[19].1, json!({ "n": 20, "from": "server", "at": null, "pad": "sori so" }));
        voice.emit("tick", json!({ "rate": 4_000_000_000_u32, "size": 4_000_000_000_u32, "seconds": 1 })).await;
        voice.emit("tick", json!({ "rate": 0, "size": 0, "seconds": 0 })).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(lane.hear().await.len() <= 1, "the second replaces the first");
    }

    #[tokio::test]
    async fn the_page_and_its_files_are_there() {
        let house = House::new();
        let (status, page) = house.ask(Method::GET, "/lab?lang=ko", "").await;
        assert!(status == StatusCode::OK && page.contains("<html lang=\"ko\">") && page.contains("열 가지"));
        for file in ["lab.css", "results.css", "lab.js", "lanes/all.js"] {
            assert_eq!(house.ask(Method::GET, &format!("/lab/files/{file}"), "").await.0, StatusCode::OK, "{file}");
        }
        assert_eq!(house.ask(Method::GET, "/lab/files/nothing.js", "").await.0, StatusCode::NOT_FOUND);
        assert_eq!(house.ask(Method::GET, "/lab/", "").await.0, StatusCode::PERMANENT_REDIRECT);
    }

    #[test]
    fn the_page_names_the_lanes_as_the_server_does() {
        let page = include_str!("../pages/lab/lanes/all.js");
        let names: Vec<_> = page.split("{ name: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(names.len(), 10);
        for name in names {
            assert!(serde_json::from_value::<Lane>(json!(name)).is_ok(), "{name}");
        }
    }
}
