//! TLS 1.3 in which both sides prove their device key (RFC 8446, raw public keys by RFC 7250).
//!
//! There is no certificate, authority, name, session ticket, early data or older version: the key is the identity, and
//! it is taken from the handshake that was verified, never from what somebody says.

use std::fmt;
use std::io;
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use lanyard_proto::identity::Identity;
use lanyard_proto::model::PeerId;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    CertificateError, CipherSuite, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName,
    Error, OtherError, PeerIncompatible, ServerConfig, SignatureScheme,
};
use zeroize::Zeroizing;

use super::filter::Filter;
use super::site::Site;
use crate::saying;
use crate::saying::{Filling, Saying, Says, io_error};

/// What comes before the 32 key bytes in the only SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What comes before the 32 seed bytes in a PKCS #8 Ed25519 key (RFC 8410 section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What a connection is for, agreed by ALPN (RFC 7301) inside the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Logs, rosters and rooms: frames, see [`super::framing`].
    Sync,
    /// Files.
    File,
    /// Files, of which the dialler is the one who gives: it was asked to dial.
    Give,
    /// The same for logs, rosters and rooms.
    Come,
    /// Another device, to which the acceptor is to pass on what it does not understand.
    Relay,
    /// Two people compare emoji.
    Verify,
}

impl Purpose {
    /// In the order in which an acceptor prefers them.
    const ALL: [Purpose; 6] =
        [Purpose::Sync, Purpose::File, Purpose::Give, Purpose::Come, Purpose::Relay, Purpose::Verify];

    /// Whether many bytes are to be expected.
    pub(super) fn is_bulk(self) -> bool {
        !matches!(self, Purpose::Sync | Purpose::Come | Purpose::Verify)
    }

    fn alpn(self) -> &'static [u8] {
        match self {
            Purpose::Sync => b"lanyard-sync/1",
            Purpose::File => b"lanyard-file/1",
            Purpose::Give => b"lanyard-give/1",
            Purpose::Come => b"lanyard-come/1",
            Purpose::Relay => b"lanyard-relay/1",
            Purpose::Verify => b"lanyard-verify/1",
        }
    }
}

/// This device's side of every connection: its key, where it may go, and which interfaces nothing goes over. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    me: PeerId,
    site: Site,
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
    server: Arc<ServerConfig>,
    filter: Filter,
}

impl Credentials {
    /// From the device key. No file or clock is touched.
    pub fn new(identity: &Identity) -> Credentials {
        let me = identity.peer_id();
        let provider = Arc::new(provider());
        // The first randomness of a process takes aws-lc some 30 ms: better now than when somebody waits for a connection.
        let _ = provider.secure_random.fill(&mut [0; 1]);
        let pkcs8 = Zeroizing::new([PKCS8_PREFIX.as_slice(), identity.seed().as_slice()].concat());
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.as_slice())).clone_key();
        let private = provider
            .key_provider
            .load_private_key(private)
            .expect("both providers read an Ed25519 key in the form of RFC 8410");
        let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki_of(me))], private));
        let server = Arc::new(server_config(me, &provider, &key));
        Credentials { me, site: Site::default(), filter: Filter::default(), provider, key, server }
    }

    /// Who this device is.
    pub fn peer_id(&self) -> PeerId {
        self.me
    }

    /// Where others may make it dial.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Which interfaces nothing goes over; the same for all clones.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// For accepting: anybody who proves a key that is not ours, for any [`Purpose`].
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// For dialling: the handshake fails before this device names itself unless `expected` is at the other end, or
    /// anybody but ourselves where nobody is expected.
    pub fn client(&self, expected: Option<PeerId>, purpose: Purpose) -> Arc<ClientConfig> {
        let verifier = Verifier { me: self.me, expected, provider: Arc::clone(&self.provider) };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3 suites")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(
                &self.key,
            ))));
        config.alpn_protocols = vec![purpose.alpn().to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Arc::new(config)
    }

    /// The one name that every device is dialled by; it is not sent, and means nothing.
    pub fn server_name() -> ServerName<'static> {
        ServerName::try_from("lanyard").expect("a plain label is a DNS name")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("me", &self.me).finish_non_exhaustive()
    }
}

/// The device at the other end of a connection, as its handshake proved it. Nothing else makes one: whatever somebody says of who
/// they are, in a frame or an announcement, is no proof and does not become one.
///
/// ```compile_fail,E0423
/// use lanyard_engine::net::tls::Proven;
/// use lanyard_proto::model::PeerId;
///
/// let claimed = Proven(PeerId([7; 32]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven(PeerId);

impl Proven {
    pub fn peer(self) -> PeerId {
        self.0
    }
}

/// Who is at the other end of a finished handshake, and what for.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] where no purpose was agreed.
pub fn proven(connection: &CommonState) -> io::Result<(Proven, Purpose)> {
    let refused = |why: Saying| io::Error::new(io::ErrorKind::PermissionDenied, why);
    let peer = connection
        .peer_certificates()
        .and_then(|keys| keys.first())
        .and_then(|key| peer_of(key).ok())
        .ok_or_else(|| refused(saying!("the other side proved no key")))?;
    let agreed =
        connection.alpn_protocol().ok_or_else(|| refused(saying!("the other side named no purpose")))?;
    let purpose = Purpose::ALL.into_iter().find(|purpose| purpose.alpn() == agreed);
    Ok((Proven(peer), purpose.ok_or_else(|| refused(saying!("the other side named an unknown purpose")))?))
}

/// Says in one sentence why a handshake failed, where the reason was ours.
///
/// Our own refusals become [`io::ErrorKind::PermissionDenied`]; every other error stays as it is.
pub(super) fn explained(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) => {
            let ours = why.downcast_ref::<Refusal>().map(Says::filling);
            let why = ours.unwrap_or_else(|| Filling::Text(why.to_string()));
            io_error(io::ErrorKind::PermissionDenied, why)
        }
        _ => error,
    }
}

fn server_config(me: PeerId, provider: &Arc<CryptoProvider>, key: &Arc<CertifiedKey>) -> ServerConfig {
    let verifier = Verifier { me, expected: None, provider: Arc::clone(provider) };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites")
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(key))));
    config.alpn_protocols = Purpose::ALL.map(|purpose| purpose.alpn().to_vec()).to_vec();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("TLS needs one of the features aws-lc-rs and ring");

fn provider() -> CryptoProvider {
    #[cfg(feature = "aws-lc-rs")]
    let mut provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    let mut provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let preference = if aes_instructions() {
        [
            CipherSuite::TLS13_AES_128_GCM_SHA256,
            CipherSuite::TLS13_AES_256_GCM_SHA384,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        ]
    } else {
        [
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
            CipherSuite::TLS13_AES_128_GCM_SHA256,
            CipherSuite::TLS13_AES_256_GCM_SHA384,
        ]
    };
    let place = |suite: CipherSuite| preference.iter().position(|preferred| *preferred == suite);
    provider.cipher_suites.retain(|suite| place(suite.suite()).is_some());
    provider.cipher_suites.sort_by_key(|suite| place(suite.suite()));
    provider
}

/// Whether this processor encrypts AES by itself; without that ChaCha20 is several times faster.
fn aes_instructions() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Accepts a key instead of a certificate, and only Ed25519.
#[derive(Debug)]
struct Verifier {
    me: PeerId,
    expected: Option<PeerId>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check_key(&self, spki: &[u8]) -> Result<(), Error> {
        let peer = peer_of(spki)?;
        if peer == self.me {
            return Err(refusal(Refusal::Ourselves));
        }
        if self.expected.is_some_and(|expected| expected != peer) {
            return Err(refusal(Refusal::AnotherDevice));
        }
        Ok(())
    }

    fn check_signature(
        &self,
        message: &[u8],
        spki: &[u8],
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signed.scheme != SignatureScheme::ED25519 {
            return Err(PeerIncompatible::NoSignatureSchemesInCommon.into());
        }
        let spki = SubjectPublicKeyInfoDer::from(spki);
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &spki, signed, algorithms)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_key(key).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_key(key).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Why a key that is well formed is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.filling())]
enum Refusal {
    Ourselves,
    AnotherDevice,
}

impl Says for Refusal {
    fn filling(&self) -> Filling {
        let saying = match self {
            Refusal::Ourselves => saying!("this is our own key"),
            Refusal::AnotherDevice => saying!("another device answers at this address"),
        };
        saying.into()
    }
}

fn refusal(why: Refusal) -> Error {
    CertificateError::Other(OtherError(Arc::new(why))).into()
}

fn spki_of(peer: PeerId) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), &peer.0].concat()
}

fn peer_of(spki: &[u8]) -> Result<PeerId, Error> {
    let bytes = spki.strip_prefix(&SPKI_PREFIX).and_then(|key| <[u8; 32]>::try_from(key).ok());
    let bytes = bytes.ok_or(CertificateError::BadEncoding)?;
    // Anybody can sign for a key of small order, so it proves nothing.
    match VerifyingKey::from_bytes(&bytes) {
        Ok(key) if !key.is_weak() => Ok(PeerId(bytes)),
        _ => Err(CertificateError::BadEncoding.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ed25519_key_in_its_one_encoding_names_a_peer() {
        let me = Identity::from_seed(&[7; 32]).peer_id();
        assert_eq!(peer_of(&spki_of(me)).unwrap(), me);
        let mut longer = spki_of(me);
        longer.push(0);
        assert!(peer_of(&longer).is_err());
        let mut of_another_kind = spki_of(me);
        of_another_kind[8] = 0x6e;
        assert!(peer_of(&of_another_kind).is_err());
        assert!(peer_of(&[]).is_err());
    }

    #[test]
    fn a_key_that_anybody_can_sign_for_is_refused() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        assert!(peer_of(&spki_of(PeerId(identity_point))).is_err());
    }

    #[test]
    fn only_tls_1_3_is_offered_and_fast_aes_goes_first() {
        let suites: Vec<CipherSuite> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
        assert_eq!(suites.len(), 3);
        if aes_instructions() {
            assert_eq!(suites[0], CipherSuite::TLS13_AES_128_GCM_SHA256);
        }
    }
}
