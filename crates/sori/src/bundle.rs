//! The client bundle that pages of the reference's users load: `/socket.io/socket.io.js` and its kin.

use std::{collections::HashMap, hash::Hasher, path::PathBuf, sync::Arc};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use parking_lot::Mutex;

use crate::{
    config::Config,
    service::{Answer, empty, plain, with_type},
    transport::polling::{Encoding, accepted_encoding},
};

/// The files of npm's `socket.io-client/dist`, read when they are first asked for.
pub(crate) struct Bundle {
    dir: Option<PathBuf>,
    files: Mutex<HashMap<&'static str, Arc<File>>>,
}

struct File {
    content: Bytes,
    gzip: Bytes,
    etag: HeaderValue,
}

impl Bundle {
    pub(crate) fn new(config: &Config) -> Self {
        Self { dir: config.client_dir.clone(), files: Mutex::default() }
    }

    /// The answer to a request for a file of the bundle; none when it is for something else.
    pub(crate) fn answer(&self, config: &Config, parts: &Parts) -> Option<Answer> {
        let asked = parts.uri.path().strip_prefix(config.path.as_str())?;
        let name = *FILES.iter().find(|name| **name == asked)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return Some(empty(StatusCode::METHOD_NOT_ALLOWED));
        }
        let Some(dir) = &self.dir else {
            return Some(redirect(config, name));
        };
        Some(match self.file(dir, name) {
            Ok(file) => serve(&file, name, parts),
            Err(error) => {
                tracing::warn!(%error, file = name, dir = %dir.display(), "client bundle not readable; set client_dir to npm's socket.io-client/dist");
                redirect(config, name)
            }
        })
    }

    fn file(&self, dir: &std::path::Path, name: &'static str) -> std::io::Result<Arc<File>> {
        if let Some(file) = self.files.lock().get(name) {
            return Ok(file.clone());
        }
        let content = Bytes::from(std::fs::read(dir.join(name))?);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        std::io::Write::write_all(&mut encoder, &content)?;
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&content);
        let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish())).map_err(std::io::Error::other)?;
        let file = Arc::new(File { gzip: encoder.finish()?.into(), content, etag });
        self.files.lock().insert(name, file.clone());
        Ok(file)
    }
}

fn serve(file: &File, name: &str, parts: &Parts) -> Answer {
    let is_known = parts.headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).is_some_and(|known| {
        let etag = file.etag.to_str().unwrap_or_default();
        known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag || one.trim() == "*")
    });
    let content_type =
        if name.ends_with(".map") { "application/json; charset=utf-8" } else { "application/javascript; charset=utf-8" };
    let mut answer = match (is_known, accepted_encoding(parts)) {
        (true, _) => empty(StatusCode::NOT_MODIFIED),
        (false, Some(Encoding::Gzip)) => {
            let mut answer = with_type(StatusCode::OK, content_type, file.gzip.clone());
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        }
        (false, _) => with_type(StatusCode::OK, content_type, file.content.clone()),
    };
    let headers = answer.headers_mut();
    headers.insert(header::ETAG, file.etag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // A library for everybody: pages of other origins may load it, and only it.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    answer
}

/// Without a directory the public CDN of the client has it.
fn redirect(config: &Config, name: &str) -> Answer {
    let version = &config.client_version;
    match HeaderValue::try_from(format!("https://cdn.socket.io/{version}/{name}")) {
        Ok(location) => {
            let mut answer = empty(StatusCode::FOUND);
            answer.headers_mut().insert(header::LOCATION, location);
            answer
        }
        Err(_) => plain(StatusCode::NOT_FOUND, "client_version is not a version"),
    }
}

/// Where a checkout has the client installed.
pub(crate) fn find_installed() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().flat_map(|dir| INSTALLED.map(|place| dir.join(place))).find(|dist| dist.join("socket.io.js").is_file())
}

/// The client's own package, or the copy that the reference's server carries; here, or where our own tests have it.
const INSTALLED: [&str; 3] =
    ["node_modules/socket.io-client/dist", "node_modules/socket.io/client-dist", "interop/node_modules/socket.io/client-dist"];

const FILES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
];
