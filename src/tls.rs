//! TLS as a client: which certificates are trusted, and readable errors.
//!
//! The certificates trusted by the system are trusted, including private certificate authorities, or those named by
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`. If the system trusts none, as in an empty container, the authorities in
//! Mozilla's list are used.

use std::io;
use std::sync::{Arc, LazyLock};

use awc::error::{ConnectError, SendRequestError};
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};

/// Loaded once, because a system trusts more than a hundred certificates.
static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    // awc has no cryptography of its own and panics without a provider. This fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::warn!("cannot read a trusted certificate: {error}");
    }
    Arc::new(config(found.certs))
});

/// The configuration for a client's connector. It offers only HTTP/1.1; awc's `max_http_version` would replace it with
/// a configuration that trusts no certificate.
pub(crate) fn client() -> Arc<ClientConfig> {
    CONFIG.clone()
}

fn config(trusted: Vec<CertificateDer<'static>>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(trusted);
    if added == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// Why a request got no answer, in words for people.
pub(crate) fn words(error: &SendRequestError) -> String {
    let tls = match error {
        SendRequestError::Connect(ConnectError::Io(error)) => of_tls(error),
        _ => None,
    };
    tls.map_or_else(|| error.to_string(), str::to_owned)
}

fn of_tls(error: &io::Error) -> Option<&'static str> {
    use CertificateError as C;
    Some(match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidMessage(_) => "this address does not speak TLS (is it http:// instead of https://?)",
        Error::InvalidCertificate(C::UnknownIssuer) => {
            "its certificate is from an authority that this machine does not trust; add that authority to the system's certificates, \
             or to a file that SSL_CERT_FILE names"
        }
        Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => "its certificate has expired",
        Error::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => "its certificate is not valid yet: is the clock right?",
        Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => "its certificate is for another name",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use rustls::{ClientConnection, ServerConfig, ServerConnection};

    use super::*;

    /// A private authority, and a server with a certificate from it for `provider.test`.
    fn authority_and_server() -> (CertificateDer<'static>, Arc<ServerConfig>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate =
            CertificateParams::new(vec!["provider.test".into()]).expect("params").signed_by(&key, &authority).expect("signed");
        let config = ServerConfig::builder().with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a server");
        (authority.der().clone(), Arc::new(config))
    }

    /// A TLS handshake in memory.
    fn handshake(trusted: Vec<CertificateDer<'static>>, server: Arc<ServerConfig>, name: &'static str) -> Result<(), Error> {
        let name = ServerName::try_from(name).expect("a name");
        let mut client = ClientConnection::new(Arc::new(config(trusted)), name)?;
        let mut server = ServerConnection::new(server)?;
        while client.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).expect("written");
            server.read_tls(&mut wire.as_slice()).expect("read");
            server.process_new_packets()?;
            let mut wire = Vec::new();
            server.write_tls(&mut wire).expect("written");
            client.read_tls(&mut wire.as_slice()).expect("read");
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn a_private_authority_is_trusted_where_the_system_trusts_it_and_named_where_not() {
        let (authority, server) = authority_and_server();
        let error = |error: Error| of_tls(&io::Error::other(error)).expect("words");
        assert_eq!(handshake(vec![authority.clone()], server.clone(), "provider.test"), Ok(()));
        let unknown = handshake(Vec::new(), server.clone(), "provider.test").expect_err("refused");
        assert!(error(unknown).contains("SSL_CERT_FILE"));
        let other = handshake(vec![authority], server, "elsewhere.test").expect_err("refused");
        assert!(error(other).contains("another name"));
    }
}
