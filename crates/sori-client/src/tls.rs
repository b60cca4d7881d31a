//! TLS, by rustls.

use std::{fmt, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::Error;

/// Whom to trust. The system's certificates are read once, when first needed.
#[derive(Clone, Default)]
pub(crate) struct Trust(Option<Arc<ClientConfig>>);

impl Trust {
    pub(crate) fn of_pem(pem: &[u8]) -> Result<Self, Error> {
        let wrong = |why: String| Error::Option { name: "trust_pem".into(), why: why.into() };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        match roots.is_empty() {
            true => Err(wrong("there is no certificate in it".into())),
            false => Ok(Self(Some(trusting(roots)))),
        }
    }

    fn config(&self) -> Arc<ClientConfig> {
        static SYSTEM: std::sync::LazyLock<Arc<ClientConfig>> = std::sync::LazyLock::new(|| {
            let mut roots = RootCertStore::empty();
            // One that cannot be read is none; without any, every server is refused, with a sentence that says so.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            trusting(roots)
        });
        self.0.clone().unwrap_or_else(|| SYSTEM.clone())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Trust(these)" } else { "Trust(system)" })
    }
}

pub(crate) async fn connect(trust: &Trust, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
    let failed = |why: String| Error::Tls { host: host.into(), why: why.into() };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    TlsConnector::from(trust.config()).connect(name, stream).await.map_err(|error| failed(error.to_string()))
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring offers both versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
