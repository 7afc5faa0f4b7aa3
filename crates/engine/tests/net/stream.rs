//! Proven connections on loopback.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanyard_engine::net::framing::{SyncEvent, spawn_sync};
use lanyard_engine::net::relay::splice;
use lanyard_engine::net::stream::{
    LIMITS, Limits, Listener, Purpose, Secure, Serving, Stream, accept_through, dial, dial_any, dial_through,
};
use lanyard_engine::net::tls::Credentials;
use lanyard_proto::identity::Identity;
use lanyard_proto::model::ConnId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ClientConfig, SignatureScheme};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Never reached unless something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// So short that a test waits for it, so long that a busy machine finishes a handshake within.
const SHORT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn both_ends_know_each_other_and_the_purpose_before_the_first_byte() {
    let mut ann = Host::new(1);
    let bob = credentials(2);
    for purpose in [Purpose::Sync, Purpose::File, Purpose::Give, Purpose::Relay] {
        let mut dialled = dial(&bob, ann.credentials.peer_id(), &ann.addresses(), purpose).await.unwrap();
        let mut accepted = ann.arrival().await;
        assert_eq!((accepted.peer(), accepted.purpose), (bob.peer_id(), purpose));
        assert_eq!((dialled.peer(), dialled.purpose), (ann.credentials.peer_id(), purpose));
        dialled.stream.write_all(b"tea?").await.unwrap();
        dialled.stream.flush().await.unwrap();
        let mut heard = [0; 4];
        within(accepted.stream.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"tea?");
    }
}

#[tokio::test]
async fn a_typed_address_teaches_who_is_there() {
    let mut ann = Host::new(1);
    let found = dial_any(&credentials(2), "localhost", ann.port, Purpose::Sync).await.unwrap();
    assert_eq!(found.peer(), ann.credentials.peer_id());
    ann.arrival().await;
}

#[tokio::test]
async fn another_device_at_the_address_learns_nothing_about_who_called() {
    let mallory = credentials(3);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let caught = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(mallory.server()).accept(tcp).await.is_err()
    });
    let error = dial(&credentials(2), credentials(1).peer_id(), &[address], Purpose::Sync).await.unwrap_err();
    assert!(error.to_string().contains("another device"), "{error}");
    assert!(within(caught).await.unwrap(), "the caller must hang up before it proves its own key");
}

#[tokio::test]
async fn a_dial_goes_on_to_the_next_address_when_another_device_took_the_first() {
    let mut ann = Host::new(1);
    let mallory = Host::new(3);
    let addresses = [mallory.addresses(), ann.addresses()].concat();
    let found = dial(&credentials(2), ann.credentials.peer_id(), &addresses, Purpose::Sync).await.unwrap();
    assert_eq!(found.remote.port(), ann.port);
    ann.arrival().await;
}

#[tokio::test]
async fn an_address_that_does_not_answer_holds_up_the_next_one_only_shortly() {
    let mut ann = Host::new(1);
    // Listens, and never says a word of TLS.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = [vec![mute.local_addr().unwrap()], ann.addresses()].concat();
    let began = Instant::now();
    dial(&credentials(2), ann.credentials.peer_id(), &addresses, Purpose::Sync).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    ann.arrival().await;
}

#[tokio::test]
async fn nobody_connects_to_oneself() {
    let ann = Host::new(1);
    let again = credentials(1);
    let error = dial_any(&again, &format!("127.0.0.1:{}", ann.port), 0, Purpose::Sync).await.unwrap_err();
    assert!(error.to_string().contains("our own key"), "{error}");
    assert!(dial(&again, again.peer_id(), &ann.addresses(), Purpose::Sync).await.is_err());
}

#[tokio::test]
async fn a_system_port_is_never_dialled() {
    let error =
        dial(&credentials(2), credentials(1).peer_id(), &["127.0.0.1:22".parse().unwrap()], Purpose::Sync)
            .await
            .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn what_others_say_is_on_the_internet_is_not_dialled() {
    let (me, them) = (credentials(2), credentials(1).peer_id());
    for outside in ["203.0.113.1:24417", "[2606:4700::1111]:24417", "[::ffff:203.0.113.1]:24417"] {
        let begun = Instant::now();
        let error = dial(&me, them, &[outside.parse().unwrap()], Purpose::Sync).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{outside}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{outside} is waited for");
    }
}

#[tokio::test]
async fn a_caller_that_names_no_purpose_or_an_unknown_one_is_refused() {
    let mut ann = Host::new(1);
    for protocols in [vec![], vec![b"h2".to_vec()], vec![b"lanyard-sync/2".to_vec()]] {
        let mut config = ClientConfig::clone(&credentials(2).client(None, Purpose::Sync));
        config.alpn_protocols = protocols;
        let tcp = TcpStream::connect(ann.addresses()[0]).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let read = match connector.connect(Credentials::server_name(), tcp).await {
            Ok(mut tls) => within(tls.read(&mut [0; 1])).await,
            Err(error) => Err(error),
        };
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    ann.admits_a_friend().await;
}

#[tokio::test]
async fn a_caller_that_proves_no_key_is_refused() {
    let mut ann = Host::new(1);
    let mut config = ClientConfig::clone(&credentials(2).client(None, Purpose::Sync));
    config.client_auth_cert_resolver = Arc::new(NoKey);
    let tcp = TcpStream::connect(ann.addresses()[0]).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let read = match connector.connect(Credentials::server_name(), tcp).await {
        Ok(mut tls) => within(tls.read(&mut [0; 1])).await,
        Err(error) => Err(error),
    };
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    ann.admits_a_friend().await;
}

#[tokio::test]
async fn a_caller_that_speaks_only_tls_1_2_or_no_tls_is_refused() {
    let mut ann = Host::new(1);
    for hello in [tls_1_2_hello(), b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let mut tcp = TcpStream::connect(ann.addresses()[0]).await.unwrap();
        tcp.write_all(&hello).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = within(tcp.read_to_end(&mut answer)).await;
        assert!(answer.is_empty() || answer[0] == ALERT, "{answer:02x?}");
    }
    ann.admits_a_friend().await;
}

#[tokio::test]
async fn a_caller_that_is_slow_with_its_handshake_is_closed() {
    let limits = Limits { handshake: SHORT, ..LIMITS };
    let mut ann = Host::within(1, limits);
    let mut silent = TcpStream::connect(ann.addresses()[0]).await.unwrap();
    let mut halting = TcpStream::connect(ann.addresses()[0]).await.unwrap();
    halting.write_all(&tls_1_2_hello()[..20]).await.unwrap();
    for slow in [&mut silent, &mut halting] {
        let end = within(slow.read(&mut [0; 1])).await;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    ann.admits_a_friend().await;
    assert!(LIMITS.handshake <= Duration::from_secs(5));
}

#[tokio::test]
async fn a_crowd_of_silent_strangers_does_not_keep_a_friend_out() {
    let limits = Limits { handshake: PATIENCE, pending_per_address: usize::MAX, ..LIMITS };
    let mut ann = Host::within(1, limits);
    let mut crowd = Vec::new();
    for _ in 0..3 * limits.pending {
        crowd.push(TcpStream::connect(ann.addresses()[0]).await.unwrap());
    }
    ann.admits_a_friend().await;
}

#[tokio::test]
async fn one_address_cannot_begin_more_than_its_share_of_handshakes() {
    let limits = Limits { handshake: PATIENCE, ..LIMITS };
    let mut ann = Host::within(1, limits);
    let mut crowd = Vec::new();
    for _ in 0..=limits.pending_per_address {
        crowd.push(TcpStream::connect(ann.addresses()[0]).await.unwrap());
    }
    let mut last = crowd.pop().unwrap();
    let end = within(last.read(&mut [0; 1])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    crowd.clear();
    ann.admits_a_friend().await;
}

#[tokio::test]
async fn frames_cross_a_proven_connection_in_both_directions() {
    let mut ann = Host::new(1);
    let bob = credentials(2);
    let dialled = dial(&bob, ann.credentials.peer_id(), &ann.addresses(), Purpose::Sync).await.unwrap();
    let accepted = ann.arrival().await;
    let (to_ann, mut at_ann) = mpsc::channel(4);
    let (to_bob, mut at_bob) = mpsc::channel(4);
    let ann_writes = spawn_sync(ConnId(1), accepted, to_ann);
    let bob_writes = spawn_sync(ConnId(2), dialled, to_bob);
    ann_writes.try_send(b"hello bob".to_vec()).unwrap();
    bob_writes.try_send(b"hello ann".to_vec()).unwrap();
    let heard = within(at_ann.recv()).await.unwrap();
    assert_eq!(heard, SyncEvent::Frame { conn: ConnId(1), bytes: b"hello ann".to_vec() });
    let heard = within(at_bob.recv()).await.unwrap();
    assert_eq!(heard, SyncEvent::Frame { conn: ConnId(2), bytes: b"hello bob".to_vec() });
    ann_writes.try_send(b"bye".to_vec()).unwrap();
    ann_writes.close();
    let heard = within(at_bob.recv()).await.unwrap();
    assert_eq!(heard, SyncEvent::Frame { conn: ConnId(2), bytes: b"bye".to_vec() });
    assert_eq!(within(at_bob.recv()).await.unwrap(), SyncEvent::Closed { conn: ConnId(2) });
    assert_eq!(within(at_ann.recv()).await.unwrap(), SyncEvent::Closed { conn: ConnId(1) });
}

#[tokio::test]
async fn two_who_meet_at_a_third_prove_their_keys_to_each_other() {
    let (ann, bob) = (credentials(2), credentials(3));
    let (at_cara, from_ann, from_bob) = meet(&ann, &bob).await;
    let relay = tokio::spawn(splice(from_ann, from_bob, PATIENCE));
    let (ann_id, bob_id) = (ann.peer_id(), bob.peer_id());
    let (dialled, accepted) = tokio::join!(
        dial_through(&ann, bob_id, Purpose::File, at_cara.0),
        accept_through(&bob, ann_id, Purpose::File, at_cara.1)
    );
    let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!((dialled.peer(), accepted.peer()), (bob_id, ann_id));
    assert!(!dialled.stream.is_near());
    let label = b"test";
    assert_eq!(dialled.stream.exporter(label).unwrap(), accepted.stream.exporter(label).unwrap());
    let sent: Vec<u8> = (0..300_000usize).map(|i| (i * 7 + i / 256) as u8).collect();
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        accepted.stream.write_all(&sent).await.unwrap();
        accepted.stream.shutdown().await.unwrap();
        accepted
    });
    let mut heard = vec![0; expected.len()];
    within(dialled.stream.read_exact(&mut heard)).await.unwrap();
    assert!(heard == expected);
    drop((within(writing).await.unwrap(), dialled));
    let _ = within(relay).await.unwrap();
}

#[tokio::test]
async fn a_third_one_can_join_nobody_with_somebody_else() {
    let (ann, bob, mallory) = (credentials(2), credentials(3), credentials(4));
    let (at_cara, from_ann, from_mallory) = meet(&ann, &mallory).await;
    let _relay = tokio::spawn(splice(from_ann, from_mallory, PATIENCE));
    let (dialled, accepted) = tokio::join!(
        dial_through(&ann, bob.peer_id(), Purpose::File, at_cara.0),
        accept_through(&mallory, ann.peer_id(), Purpose::File, at_cara.1)
    );
    let error = dialled.unwrap_err();
    assert!(error.to_string().contains("another device"), "{error}");
    assert!(accepted.is_err());
}

/// Two who dial a third: their ends, and what the third has of each.
async fn meet(one: &Credentials, other: &Credentials) -> ((Secure, Secure), Stream, Stream) {
    let mut cara = Host::new(1);
    let to = cara.credentials.peer_id();
    let first = dial(one, to, &cara.addresses(), Purpose::Relay).await.unwrap();
    let from_first = cara.arrival().await.stream;
    let second = dial(other, to, &cara.addresses(), Purpose::Relay).await.unwrap();
    let from_second = cara.arrival().await.stream;
    ((first, second), from_first, from_second)
}

/// The first byte of a TLS record that refuses.
const ALERT: u8 = 21;

/// A ClientHello without the supported_versions extension: nothing above TLS 1.2 (RFC 8446 section 4.2.1).
fn tls_1_2_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.push(0);
    body.extend([0, 2, 0xc0, 0x2b]);
    body.extend([1, 0]);
    body.extend([0, 8, 0, 13, 0, 4, 0, 2, 8, 7]);
    let mut record = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
    record.extend(body);
    record
}

#[derive(Debug)]
struct NoKey;

impl ResolvesClientCert for NoKey {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

struct Host {
    credentials: Credentials,
    port: u16,
    arrivals: mpsc::Receiver<Secure>,
    _serving: Serving,
}

impl Host {
    fn new(seed: u8) -> Host {
        Host::within(seed, LIMITS)
    }

    fn within(seed: u8, limits: Limits) -> Host {
        let credentials = credentials(seed);
        let (listener, port) = Listener::bind(0).unwrap();
        let (to_us, arrivals) = mpsc::channel(4);
        let _serving = listener.serve_within(limits, &credentials, to_us);
        Host { credentials, port, arrivals, _serving }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        vec![SocketAddr::from(([127, 0, 0, 1], self.port))]
    }

    async fn arrival(&mut self) -> Secure {
        within(self.arrivals.recv()).await.unwrap()
    }

    /// Whoever was refused before was not delivered, and the door still works.
    async fn admits_a_friend(&mut self) {
        let friend = credentials(9);
        let me = self.credentials.peer_id();
        let began = Instant::now();
        loop {
            if let Ok(dialled) = dial(&friend, me, &self.addresses(), Purpose::File).await {
                if let Ok(Some(arrival)) = timeout(SHORT, self.arrivals.recv()).await {
                    assert_eq!(arrival.peer(), friend.peer_id());
                    return;
                }
                drop(dialled);
            }
            assert!(began.elapsed() < PATIENCE, "the friend is kept out");
        }
    }
}

fn credentials(seed: u8) -> Credentials {
    Credentials::new(&Identity::from_seed(&[seed; 32]))
}

async fn within<T>(waiting: impl Future<Output = T>) -> T {
    timeout(PATIENCE, waiting).await.expect("in time")
}
