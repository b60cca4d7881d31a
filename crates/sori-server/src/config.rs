//! What the server is told: a TOML file, then the command line, then what follows from both.
//!
//! An option has the library's name, and at its end the unit when it is a time or a size.

use std::{
    fs,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

use clap::{ArgAction, Args};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Every option with its default, as `sori config` prints it. A test keeps it true.
pub const REFERENCE: &str = include_str!("../sori.toml");

/// The options of the command line. They win over the file.
#[derive(Args)]
pub struct Options {
    /// Address and port to listen on [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR", help_heading = "Where")]
    listen: Option<String>,
    /// Where Socket.IO is mounted [default: /socket.io]
    #[arg(long, value_name = "PATH", help_heading = "Where")]
    path: Option<String>,
    /// A file in TOML; `sori config` prints one [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    config: Option<PathBuf>,
    /// Any option of the file, e.g. limits.sessions_max=500; may be repeated
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Configuration")]
    set: Vec<String>,
    /// Another origin whose pages may connect, e.g. https://app.example; may be repeated [default: none]
    #[arg(long, value_name = "ORIGIN", help_heading = "Clients")]
    origin: Vec<String>,
    /// Transports that may be used [default: polling,websocket]
    #[arg(long, value_name = "LIST", value_delimiter = ',', hide_possible_values = true, help_heading = "Clients")]
    transports: Vec<Transport>,
    /// A proxy whose X-Forwarded-* headers are believed; may be repeated [default: none]
    #[arg(long, value_name = "IP", help_heading = "Clients")]
    trusted_proxy: Vec<IpAddr>,
    /// Serve the demo pages [default: on loopback without --config]
    #[arg(long, overrides_with = "no_demo", help_heading = "Pages")]
    demo: bool,
    /// Serve no demo pages
    #[arg(long, action = ArgAction::SetTrue, help_heading = "Pages")]
    no_demo: bool,
    /// Where the gallery keeps its messages [default: in memory]
    #[arg(long, value_name = "DIR", help_heading = "Pages")]
    data_dir: Option<PathBuf>,
    /// The browser client: npm's socket.io-client/dist [default: in node_modules, here or above]
    #[arg(long, value_name = "DIR", help_heading = "Pages")]
    client_dir: Option<PathBuf>,
}

impl Options {
    /// Reads the file, adds the command line, and says what is wrong in a sentence that helps.
    pub fn settings(self) -> Result<Settings, String> {
        let mut file = match &self.config {
            None => File::default(),
            Some(path) => {
                let name = path.display();
                let text = fs::read_to_string(path).map_err(|error| format!("cannot read the configuration {name}: {error}"))?;
                parse(&text, &self.set).map_err(|error| format!("{name}: {error}"))?
            }
        };
        if self.config.is_none() {
            file = parse("", &self.set)?;
        }
        replace(&mut file.listen, self.listen);
        replace(&mut file.path, self.path);
        file.cors.origins.extend(self.origin);
        file.trusted_proxies.extend(self.trusted_proxy);
        if !self.transports.is_empty() {
            file.transports = self.transports;
        }
        file.client_dir = self.client_dir.or(file.client_dir);
        file.data_dir = self.data_dir.or(file.data_dir);
        file.demo = match (self.demo, self.no_demo) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => file.demo,
        };
        let listen = address("listen", &file.listen)?;
        Ok(Settings {
            demo: file.demo.unwrap_or(self.config.is_none() && listen.ip().is_loopback()),
            listen,
            data_dir: file.data_dir.take(),
            source: self.config,
            header_read_timeout: Duration::from_millis(file.header_read_timeout_ms.into()),
            headers_max: file.headers_max as usize,
            request_head_bytes_max: (file.request_head_bytes_max as usize).max(8_192),
            shutdown_timeout: Duration::from_millis(file.shutdown_timeout_ms.into()),
            write_timeout: Duration::from_millis(file.write_timeout_ms.into()),
            library: file.library(),
        })
    }
}

/// What the program runs with.
pub struct Settings {
    pub listen: SocketAddr,
    pub demo: bool,
    /// Where what must survive a restart is kept.
    pub data_dir: Option<PathBuf>,
    /// The configuration file, if there is one.
    pub source: Option<PathBuf>,
    pub header_read_timeout: Duration,
    pub headers_max: usize,
    pub request_head_bytes_max: usize,
    pub shutdown_timeout: Duration,
    pub write_timeout: Duration,
    pub library: sori::Config,
}

/// The configuration file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: String,
    demo: Option<bool>,
    data_dir: Option<PathBuf>,
    header_read_timeout_ms: u32,
    headers_max: u32,
    request_head_bytes_max: u32,
    shutdown_timeout_ms: u32,
    write_timeout_ms: u32,
    path: String,
    plain_path: PlainPath,
    transports: Vec<Transport>,
    allow_upgrades: bool,
    allow_eio3: bool,
    eio3_parser: Eio3Parser,
    ping_interval_ms: u32,
    ping_timeout_ms: u32,
    upgrade_timeout_ms: u32,
    connect_timeout_ms: u32,
    ack_timeout_ms: u32,
    max_http_buffer_size_bytes: u32,
    max_attachments: u32,
    http_compression: Switch<HttpCompression>,
    per_message_deflate: Switch<PerMessageDeflate>,
    connection_state_recovery: Switch<Recovery>,
    cookie: Switch<Cookie>,
    cors: Cors,
    trusted_proxies: Vec<IpAddr>,
    serve_client: bool,
    client_dir: Option<PathBuf>,
    client_version: String,
    limits: Limits,
}

impl Default for File {
    fn default() -> Self {
        let library = sori::Config::default();
        Self {
            listen: "127.0.0.1:3000".into(),
            demo: None,
            data_dir: None,
            header_read_timeout_ms: 20_000,
            headers_max: 100,
            request_head_bytes_max: 64 << 10,
            shutdown_timeout_ms: 10_000,
            write_timeout_ms: 60_000,
            path: library.path,
            plain_path: PlainPath(library.plain_path),
            transports: vec![Transport::Polling, Transport::Websocket],
            allow_upgrades: library.allow_upgrades,
            allow_eio3: library.allow_eio3,
            eio3_parser: Eio3Parser::Json,
            ping_interval_ms: library.limits.ping_interval_ms,
            ping_timeout_ms: library.limits.ping_timeout_ms,
            upgrade_timeout_ms: library.limits.upgrade_timeout_ms,
            connect_timeout_ms: library.limits.connect_timeout_ms,
            ack_timeout_ms: millis(library.ack_timeout),
            max_http_buffer_size_bytes: library.limits.max_http_buffer_size,
            max_attachments: library.limits.max_attachments,
            http_compression: Switch(library.http_compression.map(|_| HttpCompression::default())),
            per_message_deflate: Switch(library.per_message_deflate.map(|_| PerMessageDeflate::default())),
            connection_state_recovery: Switch(library.connection_state_recovery.map(|_| Recovery::default())),
            cookie: Switch(library.cookie.map(|_| Cookie::default())),
            cors: Cors::default(),
            trusted_proxies: library.trusted_proxies,
            serve_client: library.serve_client,
            client_dir: library.client_dir,
            client_version: library.client_version,
            limits: Limits::default(),
        }
    }
}

impl File {
    fn library(self) -> sori::Config {
        let mut to = sori::Config::default();
        to.path = self.path;
        to.plain_path = self.plain_path.0;
        to.transports = self.transports.into_iter().map(Into::into).collect();
        to.allow_upgrades = self.allow_upgrades;
        to.allow_eio3 = self.allow_eio3;
        to.eio3_parser = match self.eio3_parser {
            Eio3Parser::Json => sori::Eio3Parser::Json,
            Eio3Parser::Msgpack => sori::Eio3Parser::Msgpack,
        };
        to.http_compression = self.http_compression.0.map(|on| sori::HttpCompression { threshold: on.threshold_bytes });
        to.per_message_deflate = self.per_message_deflate.0.map(|on| sori::PerMessageDeflate { threshold: on.threshold_bytes });
        to.connection_state_recovery = self.connection_state_recovery.0.map(|on| sori::ConnectionStateRecovery {
            max_disconnection_duration: Duration::from_millis(on.max_disconnection_duration_ms),
            skip_middlewares: on.skip_middlewares,
        });
        to.cookie = self.cookie.0.map(Cookie::library);
        to.cors = self.cors.library();
        to.trusted_proxies = self.trusted_proxies;
        to.serve_client = self.serve_client;
        to.client_dir = self.client_dir;
        to.client_version = self.client_version;
        to.ack_timeout = Duration::from_millis(self.ack_timeout_ms.into());
        to.limits.ping_interval_ms = self.ping_interval_ms;
        to.limits.ping_timeout_ms = self.ping_timeout_ms;
        to.limits.upgrade_timeout_ms = self.upgrade_timeout_ms;
        to.limits.connect_timeout_ms = self.connect_timeout_ms;
        to.limits.max_http_buffer_size = self.max_http_buffer_size_bytes;
        to.limits.max_attachments = self.max_attachments;
        self.limits.apply(&mut to.limits);
        to
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Transport {
    Polling,
    Websocket,
}

impl From<Transport> for sori::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Polling => Self::Polling,
            Transport::Websocket => Self::Websocket,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Eio3Parser {
    Json,
    Msgpack,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct HttpCompression {
    threshold_bytes: u32,
}

impl Default for HttpCompression {
    fn default() -> Self {
        Self { threshold_bytes: sori::HttpCompression::default().threshold }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct PerMessageDeflate {
    threshold_bytes: u32,
}

impl Default for PerMessageDeflate {
    fn default() -> Self {
        Self { threshold_bytes: sori::PerMessageDeflate::default().threshold }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Recovery {
    max_disconnection_duration_ms: u64,
    skip_middlewares: bool,
}

impl Default for Recovery {
    fn default() -> Self {
        let library = sori::ConnectionStateRecovery::default();
        Self {
            max_disconnection_duration_ms: millis(library.max_disconnection_duration).into(),
            skip_middlewares: library.skip_middlewares,
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Cookie {
    name: String,
    path: String,
    http_only: bool,
    same_site: SameSite,
    secure: bool,
    max_age_s: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum SameSite {
    Lax,
    Strict,
    None,
}

impl Default for Cookie {
    fn default() -> Self {
        let library = sori::Cookie::default();
        Self {
            name: library.name,
            path: library.path,
            http_only: library.http_only,
            same_site: SameSite::Lax,
            secure: library.secure,
            max_age_s: library.max_age.map(|age| age.as_secs()),
        }
    }
}

impl Cookie {
    fn library(self) -> sori::Cookie {
        sori::Cookie {
            name: self.name,
            path: self.path,
            http_only: self.http_only,
            same_site: match self.same_site {
                SameSite::Lax => sori::SameSite::Lax,
                SameSite::Strict => sori::SameSite::Strict,
                SameSite::None => sori::SameSite::None,
            },
            secure: self.secure,
            max_age: self.max_age_s.map(Duration::from_secs),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Cors {
    origins: Vec<String>,
    credentials: bool,
    methods: Vec<String>,
    allowed_headers: Vec<String>,
    exposed_headers: Vec<String>,
    max_age_s: Option<u64>,
}

impl Cors {
    fn library(self) -> sori::Cors {
        sori::Cors {
            origins: self.origins,
            credentials: self.credentials,
            methods: self.methods,
            allowed_headers: self.allowed_headers,
            exposed_headers: self.exposed_headers,
            max_age: self.max_age_s.map(Duration::from_secs),
        }
    }
}

macro_rules! limits {
    ($($name:ident),* $(,)?) => {
        /// The limits that have no place of their own at the top.
        #[derive(Clone, Debug, Deserialize, PartialEq)]
        #[serde(default, deny_unknown_fields)]
        struct Limits { $($name: u32),* }

        impl Default for Limits {
            fn default() -> Self {
                let library = sori::Limits::default();
                Self { $($name: library.$name),* }
            }
        }

        impl Limits {
            fn apply(&self, to: &mut sori::Limits) {
                $(to.$name = self.$name;)*
            }
        }
    };
}

limits! {
    payload_packets_max, outbox_bytes_max, namespaces_per_session_max, dynamic_namespaces_max, rooms_per_socket_max,
    pending_acks_max, handlers_max, inbox_events_max, inbox_bytes_max, namespace_name_max, handshake_bytes_max,
    plain_idle_ms, poll_wait_max_ms, repeat_window_ms, repeats_max, repeats_bytes_max, sessions_max, log_events_max,
    log_bytes_max,
}

/// Where plain clients are served, or `false`.
#[derive(Clone, Debug, PartialEq)]
struct PlainPath(Option<String>);

impl<'de> Deserialize<'de> for PlainPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a path, or false")]
        enum PathOrOff {
            Path(String),
            Off(bool),
        }
        match PathOrOff::deserialize(deserializer)? {
            PathOrOff::Path(path) => Ok(Self(Some(path))),
            PathOrOff::Off(false) => Ok(Self(None)),
            PathOrOff::Off(true) => Ok(Self(sori::Config::default().plain_path)),
        }
    }
}

/// An option that is off, on with its defaults, or on with its own section.
#[derive(Clone, Debug, PartialEq)]
struct Switch<T>(Option<T>);

impl<'de, T: Default + Deserialize<'de>> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OffOnOrSection<T>(std::marker::PhantomData<T>);

        impl<'de, T: Default + Deserialize<'de>> Visitor<'de> for OffOnOrSection<T> {
            type Value = Switch<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or a section")
            }

            fn visit_bool<E>(self, on: bool) -> Result<Switch<T>, E> {
                Ok(Switch(on.then(T::default)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Switch<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Some).map(Switch)
            }
        }

        deserializer.deserialize_any(OffOnOrSection(std::marker::PhantomData))
    }
}

/// Reads the text of a file, with single options set on top.
fn parse(text: &str, set: &[String]) -> Result<File, String> {
    let file: File = toml::from_str(text).map_err(|error| explain(&error, Some(text)))?;
    if set.is_empty() {
        return Ok(file);
    }
    let mut table: toml::Table = toml::from_str(text).map_err(|error| explain(&error, Some(text)))?;
    for option in set {
        let wrong = |why: String| format!("--set {option}: {why}");
        let (key, value) = option.split_once('=').ok_or_else(|| wrong("write it like ping_interval_ms=10000".into()))?;
        // What is not TOML is a string that was not quoted: shells make quotes tedious.
        let quoted = || toml::Value::String(value.trim().to_owned());
        let value = toml::from_str::<toml::Table>(&format!("value = {value}")).ok().and_then(|mut t| t.remove("value"));
        insert(&mut table, key.trim(), value.unwrap_or_else(quoted)).map_err(wrong)?;
        File::deserialize(table.clone()).map_err(|error| wrong(explain(&error, None)))?;
    }
    File::deserialize(table).map_err(|error| explain(&error, None))
}

fn insert(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<(), String> {
    let Some((section, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return Ok(());
    };
    let inner = table.entry(section).or_insert_with(|| toml::Table::new().into());
    if inner.is_bool() {
        *inner = toml::Table::new().into();
    }
    insert(inner.as_table_mut().ok_or_else(|| format!("`{section}` is not a section"))?, rest, value)
}

/// One sentence: where, what, and what to write instead.
fn explain(error: &toml::de::Error, text: Option<&str>) -> String {
    let place = match (error.span(), text) {
        (Some(span), Some(text)) => format!("line {}: ", text[..span.start.min(text.len())].matches('\n').count() + 1),
        _ => String::new(),
    };
    let what = unknown_key(error.message()).unwrap_or_else(|| error.message().trim().replace('\n', "; "));
    format!("{place}{what}")
}

/// Turns serde's list of all fields into the one that was meant.
fn unknown_key(message: &str) -> Option<String> {
    let mut names = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let key = names.next()?;
    let (mut known, mut nearest) = (Vec::new(), (0.0, ""));
    for name in names {
        let likeness = strsim::jaro_winkler(key, name);
        if likeness > nearest.0 {
            nearest = (likeness, name);
        }
        known.push(name);
    }
    Some(match nearest {
        (likeness, name) if likeness > 0.75 => format!("unknown key `{key}`; did you mean `{name}`?"),
        _ => format!("unknown key `{key}`; known are {}", known.join(", ")),
    })
}

/// The address that an option names.
pub fn address(option: &str, text: &str) -> Result<SocketAddr, String> {
    match text.to_socket_addrs().map(|mut found| found.next()) {
        Ok(Some(address)) => Ok(address),
        _ => Err(format!(
            "{option}: {text:?} is not an address with a port; write it like 127.0.0.1:3000, 0.0.0.0:3000 or [::]:3000"
        )),
    }
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn millis(duration: Duration) -> u32 {
    duration.as_millis().try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_error(text: &str, expected: &str) {
        assert_eq!(parse(text, &[]).expect_err(text), expected);
    }

    fn set(options: &[&str]) -> Result<File, String> {
        parse("", &options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_reference_names_every_option_with_its_default() {
        assert_eq!(parse(REFERENCE, &[]), Ok(File::default()));
        // serde names all fields of a section in its complaint about one that is not there.
        for section in ["", "http_compression", "per_message_deflate", "connection_state_recovery", "cookie", "cors", "limits"] {
            let text = if section.is_empty() { "?".into() } else { format!("[{section}]\n?") };
            let complaint = toml::from_str::<File>(&text.replace('?', "x_y = 1")).expect_err("no such key").to_string();
            let known: Vec<_> = complaint.split_once("expected").expect("a list").1.split('`').skip(1).step_by(2).collect();
            assert!(!known.is_empty(), "{complaint}");
            for name in known {
                let told = REFERENCE.lines().any(|line| {
                    let line = line.trim_start_matches(['#', ' ']);
                    line.starts_with(&format!("{name} =")) || line.starts_with(&format!("[{name}]"))
                });
                assert!(told, "sori.toml does not name {name} of {section:?}");
            }
        }
    }

    #[test]
    fn the_reference_is_right_in_what_it_comments_out() {
        let uncommented: String = REFERENCE
            .lines()
            .map(|line| {
                line.strip_prefix("#").filter(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '[')).unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let file = parse(&uncommented, &[]).expect("a file");
        assert_eq!(file.cookie, Switch(Some(Cookie { max_age_s: Some(86_400), ..Cookie::default() })));
        assert_eq!(file.connection_state_recovery, Switch(Some(Recovery::default())));
    }

    #[test]
    fn errors_name_the_line_the_key_and_the_way_out() {
        check_error("\nping_intervall_ms = 5", "line 2: unknown key `ping_intervall_ms`; did you mean `ping_interval_ms`?");
        check_error(
            "max_http_buffer_size = 5",
            "line 1: unknown key `max_http_buffer_size`; did you mean `max_http_buffer_size_bytes`?",
        );
        check_error("[cors]\norigin = []", "line 2: unknown key `origin`; did you mean `origins`?");
        check_error(
            "[cookie]\nzzz = 1",
            "line 2: unknown key `zzz`; known are name, path, http_only, same_site, secure, max_age_s",
        );
        check_error("path = 5", "line 1: invalid type: integer `5`, expected a string");
        check_error("cookie = 5", "line 1: invalid type: integer `5`, expected true, false or a section");
        check_error("transports = [\"flash\"]", "line 1: unknown variant `flash`, expected `polling` or `websocket`");
    }

    #[test]
    fn single_options_are_set_on_top() {
        let file =
            set(&["ping_interval_ms=5", "limits.sessions_max = 7", "cookie.name=sid", "path=/rt", "per_message_deflate=true"])
                .expect("a file");
        assert_eq!((file.ping_interval_ms, file.limits.sessions_max, &*file.path), (5, 7, "/rt"));
        assert_eq!(file.cookie, Switch(Some(Cookie { name: "sid".into(), ..Cookie::default() })));
        assert_eq!(file.per_message_deflate, Switch(Some(PerMessageDeflate::default())));
        assert_eq!(
            set(&["ping_interval_ms"]).expect_err("no value"),
            "--set ping_interval_ms: write it like ping_interval_ms=10000"
        );
        assert_eq!(
            set(&["limits.session_max=1"]).expect_err("no such key"),
            "--set limits.session_max=1: unknown key `session_max`; did you mean `sessions_max`?"
        );
    }

    #[test]
    fn what_the_file_says_reaches_the_library() {
        let text = "ack_timeout_ms = 1500\nhttp_compression = false\n[cookie]\nsame_site = \"none\"\nsecure = true\n[limits]\nhandlers_max = 3";
        let library = parse(text, &[]).expect("a file").library();
        assert_eq!(library.ack_timeout, Duration::from_millis(1500));
        assert!(library.http_compression.is_none());
        let cookie = library.cookie.expect("a cookie");
        assert_eq!((cookie.same_site, cookie.secure, &*cookie.name), (sori::SameSite::None, true, "io"));
        assert_eq!(library.limits.handlers_max, 3);
    }
}
