//! `https` and `wss`.

use std::sync::Arc;

use sori::{Ack, Data, Namespace, Server, Value};
use sori_client::{Error, LongPoll, Options, SocketIo, Sse, WebSocket};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::{
    by_hand,
    support::{PATIENCE, WAYS, by, serve, soon},
};

/// A Sori behind TLS, and the certificate to trust.
async fn secure() -> (String, String) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let behind = serve(|builder| {
        builder.ping_interval(std::time::Duration::from_millis(100)).namespace(
            "/",
            Namespace::new().on("echo", async |io: Server, Data(data): Data<Value>| {
                io.emit("said", &1).ok();
                Ack(data)
            }),
        )
    })
    .await;
    let address = behind.url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let _behind = behind;
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, address) = (acceptor.clone(), address.clone());
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = tokio::net::TcpStream::connect(address).await.unwrap();
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok();
            });
        }
    });
    (format!("https://localhost:{port}/"), cert.pem())
}

#[tokio::test]
async fn every_transport_over_tls() {
    let (url, pem) = secure().await;
    for way in WAYS {
        let options = by(way).trust_pem(pem.as_bytes()).unwrap();
        let mut client = SocketIo::open(&url, &options).await.unwrap();
        for len in [1, 300_000] {
            let data = "x".repeat(len);
            assert_eq!(soon(client.ask::<String>("echo", &data)).await.unwrap(), data, "{way:?}");
        }
        soon(client.close()).await.unwrap();
    }
    let options = Options::new().timeout(PATIENCE).trust_pem(pem.as_bytes()).unwrap();
    let live = url + "live/";
    assert_eq!(&*soon(Sse::open(&live, &options).await.unwrap().next()).await.unwrap().event, "connect");
    soon(LongPoll::open(&live, &options).await.unwrap().close()).await.unwrap();
    let socket = WebSocket::open(&live.replace("https", "wss"), &options).await.unwrap();
    soon(socket.close(1000, "")).await.unwrap();
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let (url, _) = secure().await;
    let (_, other) = secure().await;
    for options in [Options::new(), Options::new().trust_pem(other.as_bytes()).unwrap()] {
        let error = SocketIo::open(&url, &options.clone()).await.err().unwrap();
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
        assert!(error.to_string().starts_with("TLS with localhost failed: invalid peer certificate"), "{error}");
    }
    assert!(matches!(Options::new().trust_pem(b"none"), Err(Error::Option { .. })));
}

#[tokio::test]
async fn no_tls_there() {
    let url = by_hand::serve(|mut stream| async move { stream.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await }).await;
    let url = url.replace("http", "https");
    let error = WebSocket::open(&url, &Options::new()).await.err().unwrap();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}
