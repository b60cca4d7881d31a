//! What stands in the way is a sentence, before there is any load.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::support::{Folder, Serving, perfect, refused};

/// Does this with everybody who connects; its address.
fn listening(serve: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(serve));
    format!("http://{address}")
}

/// Reads a request and says this.
fn say(mut stream: TcpStream, text: &str) {
    let _ = stream.read(&mut [0; 4_096]);
    let _ = stream.write_all(text.as_bytes());
    // Until the client has gone, so that nothing is reset.
    let _ = stream.read(&mut [0; 4_096]);
}

const KINDS: [&str; 7] = ["websocket", "polling", "upgrade", "sse", "lines", "long-poll", "raw-websocket"];

#[test]
fn nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    for client in KINDS {
        let said = refused(&["broadcast", &format!("http://{address}"), "--client", client], "");
        assert!(said.starts_with(&format!("sori: {client}: cannot connect to {address}: ")), "{said}");
        assert!(said.ends_with("is the server running, and is this its port?"), "{said}");
    }
}

#[test]
fn what_listens_is_no_http_server() {
    let url = listening(|stream| say(stream, "SSH-2.0-OpenSSH_9.2p1\r\n"));
    for client in KINDS {
        let said = refused(&["connect", &url, "--client", client], "");
        assert!(said.contains("what answers there is no HTTP server (`SSH-2.0-OpenSSH_9.2p1`); check the port"), "{said}");
    }
}

#[test]
fn what_listens_hangs_up() {
    let url = listening(drop);
    for client in KINDS {
        let said = refused(&["connect", &url, "--client", client], "");
        assert!(said.starts_with(&format!("sori: {client}: the connection was lost: ")), "{said}");
    }
}

#[test]
fn what_listens_says_nothing() {
    // Whoever connects waits in the queue.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    for client in KINDS {
        let said = refused(&["connect", &url, "--client", client], "server.connect_timeout = \"200ms\"");
        assert!(said.contains("gave up after 200ms while waiting for an HTTP answer"), "{said}");
    }
}

#[test]
fn an_http_server_without_socket_io() {
    let url = listening(|stream| say(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nNot it."));
    for client in KINDS {
        let said = refused(&["echo", &url, "--client", client], "");
        assert!(said.contains("was answered HTTP 404 (Not it.); check the path"), "{said}");
    }
    let server = Serving::start(&[]);
    assert!(refused(&["echo", &server.url(), "--path", "/io/"], "").contains("answered HTTP 404"));
}

#[test]
fn a_poll_of_nchan_is_tried_as_well() {
    let url = listening(|stream| say(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nNot it."));
    let said = refused(&["broadcast", &url, "--client", "nchan", "--post-url", &url], "");
    assert!(said.starts_with("sori: nchan: expected a message of a channel, and was answered HTTP 404"), "{said}");
}

#[test]
fn a_server_of_another_revision() {
    let url = listening(|stream| {
        let body = r#"{"code":5,"message":"Unsupported protocol version"}"#;
        say(stream, &format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    });
    let said = refused(&["echo", &url, "--client", "polling"], "");
    assert!(said.contains("Unsupported protocol version") && said.contains("protocol's version"), "{said}");
}

#[test]
fn tls_where_there_is_none() {
    let server = Serving::start(&[]);
    let said = refused(&["echo", &server.url().replace("http", "https")], "");
    assert!(said.contains("TLS with 127.0.0.1 failed: ") && said.ends_with("use http:// if it speaks no TLS"), "{said}");
}

/// A server behind TLS, and its certificate.
async fn secure(server: &Serving) -> (String, String) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let inside = server.url().replace("http://", "");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, inside) = (acceptor.clone(), inside.clone());
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = tokio::net::TcpStream::connect(inside).await.expect("it listens");
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok();
            });
        }
    });
    (format!("https://localhost:{port}"), cert.pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_certificate_is_trusted_when_it_is_named() {
    let server = Serving::start(&[]);
    let (url, pem) = secure(&server).await;
    let said = refused(&["echo", &url], "");
    assert!(said.contains("TLS with localhost failed: ") && said.contains("trust its certificate"), "{said}");
    let said = refused(&["echo", &url.replace("https", "http")], "");
    assert!(said.contains("no HTTP server") && said.contains("http or https"), "{said}");
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &pem);
    let run = perfect(&["fanout-mixed", &url], &format!("server.ca = {ca:?}"));
    assert!(run.completeness.delivered > 0);
    let said = refused(&["echo", &url], &format!("server.ca = {:?}", folder.path("nowhere.pem")));
    assert!(said.contains("cannot read") && said.contains("nowhere.pem"), "{said}");
}

#[test]
fn a_server_that_cannot_be_found_or_is_somebody_elses() {
    // A label has at most 63 bytes, so that nobody is asked for this one.
    let said = refused(&["echo", &format!("http://{}", "n".repeat(64))], "");
    assert!(said.contains("cannot be found"), "{said}");
    let said = refused(&["echo", "http://192.0.2.1:3000"], "");
    assert!(
        said.contains("192.0.2.1 is neither this machine nor a private network") && said.contains("--i-own 192.0.2.1"),
        "{said}"
    );
    let said = refused(&["echo", "localhost:3000"], "");
    assert!(said.contains("as http://localhost:3000"), "{said}");
}

/// Where messages are posted to is loaded as well.
#[test]
fn messages_are_posted_to_nobody_else() {
    let server = Serving::start(&[]);
    let post = |url: &str| refused(&["broadcast", &server.url(), "--client", "sse", "--post-url", url], "");
    assert!(post("http://192.0.2.1/pub").contains("--i-own 192.0.2.1"));
    let said = post(&server.at("/nowhere"));
    assert!(said.starts_with("sori: what is posted is not taken: ") && said.contains("HTTP 404"), "{said}");
}

#[test]
fn a_namespace_that_refuses() {
    let server = Serving::start(&[]);
    let said = refused(&["echo", &server.url(), "--namespace", "/admin"], "");
    assert!(said.starts_with("sori: websocket: the server refuses namespace /admin: "), "{said}");
}

/// The sentence has the line that the server lacks.
#[test]
fn events_that_the_server_does_not_know() {
    let server = Serving::start(&[]);
    let said = |words: &[&str]| refused(&[words, &[&server.url()]].concat(), "server.answer_timeout = \"200ms\"");
    let echo = said(&["echo", "--echo-event", "shout"]);
    assert!(echo.contains("`socket.on(\"shout\", (payload, ack) => ack(payload))`; --echo-event"), "{echo}");
    let broadcast = said(&["broadcast", "--broadcast-event", "shout"]);
    assert!(broadcast.contains("`socket.on(\"shout\", (payload) => io.emit(\"msg\", payload))`"), "{broadcast}");
    let message = said(&["jitter", "--message-event", "news"]);
    assert!(message.contains("`broadcast` did not come back as `news` within 0.2 s"), "{message}");
}

#[test]
fn who_only_listens_cannot_be_echoed() {
    let server = Serving::start(&[]);
    for words in [["echo", "--client", "sse"], ["soak", "--client", "long-poll"]] {
        let said = refused(&[&words[..], &[&server.url()]].concat(), "");
        assert!(said.contains("only listens"), "{said}");
    }
}

#[test]
fn a_process_that_is_none() {
    let server = Serving::start(&[]);
    let said = refused(&["echo", &server.url(), "--pid", "4194305"], "");
    assert!(said.contains("no process 4194305") && said.contains("--pid"), "{said}");
}

#[test]
fn a_closed_loop_of_broadcasts_is_not_for_processes() {
    let server = Serving::start(&[]);
    let said = refused(&["broadcast", &server.url(), "--outstanding", "4"], "load.processes = 2");
    assert!(said.contains("take --rate instead of --outstanding"), "{said}");
}

/// With few descriptors, several processes share the clients.
#[cfg(target_os = "linux")]
#[test]
fn more_clients_than_descriptors_are_shared_by_processes() {
    let server = Serving::start(&[]);
    let folder = Folder::new();
    let json = folder.path("result.json");
    let script = "ulimit -n 128; exec \"$0\" \"$@\"";
    let words =
        ["bench", "broadcast", &server.url(), "--clients", "150", "--rate", "20", "--duration", "1s", "--warm-up", "100ms"];
    let output = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_sori")])
        .args(words)
        .args(["--json", &json])
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = sori_bench::Run::read(json.as_ref()).expect("a result");
    // 128 less what is spare.
    assert_eq!((run.generator.threads, run.completeness.streams), (3, 150));
}
