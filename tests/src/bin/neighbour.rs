//! A hostile neighbour, for tests and benches: what it does to a node is bounded in time and number, and leaves the namespace
//! that it was started in for nothing.
//!
//! `flood VICTIM SECONDS GARBAGE SIGNED`: so many datagrams a second that are none, and that made-up devices signed.
//! `claim VICTIM SECONDS NUMBER`: so many datagrams a second that ask for, and boast of, what is not there.
//! `slow VICTIM SECONDS NUMBER`: so many connections that say a byte a second.
//! `hold VICTIM SECONDS NUMBER`: so many connections of made-up devices, each with its key proven, that stay.
//! `pose VICTIM SECONDS`: announces a device at its own address, and another one at [`OUTSIDE`], where it is to have that one, too;
//! counts who connects to each.
//! Each prints one line of JSON at its end.

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    hostile::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: hosts as network namespaces need Linux");
}

#[cfg(target_os = "linux")]
mod hostile {
    use std::io;
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
    use std::os::unix::fs::MetadataExt as _;
    use std::time::{Duration, Instant};

    use lanyard_engine::net::stream::{Purpose, dial_any};
    use lanyard_engine::net::tls::Credentials;
    use lanyard_proto::identity::Identity;
    use lanyard_proto::model::{LogId, Platform, Seq};
    use lanyard_proto::rooms::{LOBBY, open_room_id};
    use lanyard_proto::wire::datagram::{
        Announcement, Envelope, Head, Heads, NetworkTag, Query, RoomPacket, Wanted, kind,
    };
    use lanyard_proto::wire::frame::{Frame, Hello};
    use lanyard_tests::hosts;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;
    use tokio::time::{Instant as Moment, interval, timeout_at};

    pub fn main() -> io::Result<()> {
        in_a_namespace_of_its_own()?;
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [verb, victim, numbers @ ..] = &words[..] else { return usage() };
        let victim = SocketAddr::from((victim.parse::<Ipv4Addr>().map_err(io::Error::other)?, PORT));
        let numbers = numbers.iter().map(|number| number.parse::<u64>().map_err(io::Error::other));
        let numbers = numbers.collect::<Result<Vec<u64>, _>>()?;
        let said = match (verb.as_str(), &numbers[..]) {
            ("flood", &[seconds, garbage, signed]) => flood(victim, span(seconds), garbage, signed)?,
            ("claim", &[seconds, number]) => claim(victim, span(seconds), number)?,
            ("slow", &[seconds, number]) => on_a_runtime(connect(victim, span(seconds), number, slow))?,
            ("hold", &[seconds, number]) => on_a_runtime(connect(victim, span(seconds), number, hold))?,
            ("pose", &[seconds]) => on_a_runtime(pose(victim, span(seconds)))?,
            _ => return usage(),
        };
        println!("{said}");
        Ok(())
    }

    fn usage() -> io::Result<()> {
        Err(io::Error::other(
            "usage: neighbour flood VICTIM SECONDS GARBAGE SIGNED | claim|slow|hold VICTIM SECONDS NUMBER | \
             pose VICTIM SECONDS",
        ))
    }

    /// What it sends belongs to hosts that a test made, and to no network of a machine.
    fn in_a_namespace_of_its_own() -> io::Result<()> {
        let own = std::fs::metadata("/proc/self/ns/net")?.ino();
        let made = std::fs::read_dir(NAMESPACES)?.flatten().filter(|namespace| {
            let name = namespace.file_name();
            name.to_str().is_some_and(|name| name.starts_with(hosts::PREFIX))
        });
        let is_made =
            made.into_iter().any(|made| std::fs::metadata(made.path()).is_ok_and(|made| made.ino() == own));
        if is_made { Ok(()) } else { Err(io::Error::other("this is no host of a test")) }
    }

    fn span(seconds: u64) -> Duration {
        Duration::from_secs(seconds.min(MOST_SECONDS))
    }

    fn on_a_runtime(doing: impl Future<Output = Value>) -> io::Result<Value> {
        Ok(tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?
            .block_on(doing))
    }

    fn flood(victim: SocketAddr, span: Duration, garbage: u64, signed: u64) -> io::Result<Value> {
        let said = Announcement::new("somebody", Platform::Linux, PORT, 10, 0, Query::Yes).encode();
        let signed_ones: Vec<Vec<u8>> =
            (0..DEVICES).map(|device| datagram(&made_up(device), kind::ANNOUNCE, 1, &said)).collect();
        let rubbish: Vec<Vec<u8>> = (0..256u64)
            .map(|number| {
                (0..600u64).map(|at| (number * 31 + at * at * 7 + at / 3) as u8).collect::<Vec<u8>>()
            })
            .collect();
        let kinds = [(rubbish, garbage), (signed_ones, signed)];
        let sent = send_for(victim, span, &kinds)?;
        Ok(json!({ "garbage": sent[0], "signed": sent[1] }))
    }

    fn claim(victim: SocketAddr, span: Duration, number: u64) -> io::Result<Value> {
        let (me, tag) = (made_up(0), &open_room_id("default", LOBBY).0[..8]);
        let said = Announcement::new("somebody", Platform::Linux, PORT, 10, 0, Query::Yes).encode();
        let mut datagrams = vec![datagram(&me, kind::ANNOUNCE, 1, &said)];
        for counter in 2..2 + number * span.as_secs() {
            let log = LogId((counter % 512).to_be_bytes());
            let packet = if counter % 2 == 0 {
                let heads = vec![Head { log, seq: Seq(u64::MAX - counter), base: Seq(0), check: None }];
                RoomPacket::Heads(Heads { digest: [1; 16], logs: 500, heads, fetch: true, partial: false })
            } else {
                RoomPacket::Nack { wanted: vec![Wanted { log, from: Seq(1), count: 64 }], pieces: Vec::new() }
            };
            let body = [tag, &packet.encode()].concat();
            datagrams.push(datagram(&me, packet.kind(), counter, &body));
        }
        let sent = send_for(victim, span, &[(datagrams, number)])?;
        Ok(json!({ "signed": sent[0] }))
    }

    async fn pose(victim: SocketAddr, span: Duration) -> Value {
        let (near, far) = tokio::join!(
            announce_at(Ipv4Addr::UNSPECIFIED, "near", 1, victim, span),
            announce_at(OUTSIDE, "far", 2, victim, span)
        );
        json!({ "near": near, "far": far })
    }

    /// Says twice a second that a device is at this address; how many connect there, or that it is no address of this host.
    async fn announce_at(
        address: Ipv4Addr,
        name: &str,
        number: u64,
        victim: SocketAddr,
        span: Duration,
    ) -> Option<u64> {
        let listener = TcpListener::bind((address, PORT + number as u16)).await.ok()?;
        let socket = UdpSocket::bind((address, 0)).ok()?;
        let said = Announcement::new(name, Platform::Linux, PORT + number as u16, 10, 0, Query::Yes).encode();
        let (end, mut beat) = (Moment::now() + span, interval(Duration::from_millis(500)));
        let (mut counter, mut came) = (0, 0);
        loop {
            tokio::select! {
                accepted = listener.accept() => came += u64::from(accepted.is_ok()),
                _ = beat.tick() => {
                    counter += 1;
                    let _ = socket.send_to(&datagram(&made_up(number), kind::ANNOUNCE, counter, &said), victim);
                }
                () = tokio::time::sleep_until(end) => return Some(came),
            }
        }
    }

    /// Sends of each kind so many a second, one after the other and from the beginning again; how many in all.
    fn send_for(victim: SocketAddr, span: Duration, kinds: &[(Vec<Vec<u8>>, u64)]) -> io::Result<Vec<u64>> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let begun = Instant::now();
        let mut sent = vec![0; kinds.len()];
        while begun.elapsed() < span {
            for ((datagrams, rate), sent) in kinds.iter().zip(&mut sent) {
                let due = (begun.elapsed().as_micros() as u64).saturating_mul(*rate) / 1_000_000;
                for number in *sent..due {
                    // What the system does not take is lost, as on any network.
                    let _ = socket.send_to(&datagrams[number as usize % datagrams.len()], victim);
                }
                *sent = due.max(*sent);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(sent)
    }

    fn datagram(by: &Identity, kind: u8, counter: u64, body: &[u8]) -> Vec<u8> {
        let (network, sender) = (NetworkTag::of("default"), by.peer_id());
        Envelope { kind, boot: 1, counter, network, sender }.sign(by, body)
    }

    fn made_up(number: u64) -> Identity {
        let mut seed = [66; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        Identity::from_seed(&seed)
    }

    /// How long one connection stood, and whether it still did at the end.
    struct Stood {
        lasted: Duration,
        at_the_end: bool,
        /// Whether the victim said anything in it.
        answered: bool,
    }

    async fn connect<Holding>(
        victim: SocketAddr,
        span: Duration,
        number: u64,
        one: fn(SocketAddr, u64, Moment) -> Holding,
    ) -> Value
    where
        Holding: Future<Output = Option<Stood>> + Send + 'static,
    {
        let end = Moment::now() + span;
        let mut connections = JoinSet::new();
        (0..number).for_each(|number| drop(connections.spawn(one(victim, number, end))));
        let stood: Vec<Option<Stood>> = connections.join_all().await;
        let refused = stood.iter().filter(|stood| stood.is_none()).count();
        let stood: Vec<Stood> = stood.into_iter().flatten().collect();
        let ended = stood.iter().filter(|stood| !stood.at_the_end);
        json!({
            "refused": refused,
            "closed": ended.clone().count(),
            "longest": ended.map(|stood| stood.lasted.as_secs_f64()).fold(0.0, f64::max),
            "answered": stood.iter().filter(|stood| stood.answered).count(),
            "standing": stood.iter().filter(|stood| stood.at_the_end).count(),
        })
    }

    /// A byte a second of what could become a handshake.
    async fn slow(victim: SocketAddr, _: u64, end: Moment) -> Option<Stood> {
        let mut tcp = timeout_at(end, TcpStream::connect(victim)).await.ok()?.ok()?;
        let begun = Moment::now();
        let mut words = [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3].into_iter().cycle();
        let mut beat = interval(Duration::from_secs(1));
        loop {
            let mut heard = [0; 1];
            tokio::select! {
                read = tcp.read(&mut heard) => match read {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Some(Stood { lasted: begun.elapsed(), at_the_end: false, answered: false }),
                },
                _ = beat.tick() => drop(tcp.write_all(&[words.next().unwrap_or(0)]).await),
                () = tokio::time::sleep_until(end) => {
                    return Some(Stood { lasted: begun.elapsed(), at_the_end: true, answered: false });
                }
            }
        }
    }

    /// A device that nobody knows, with a key all the same: it greets, and says from time to time that it is there.
    async fn hold(victim: SocketAddr, number: u64, end: Moment) -> Option<Stood> {
        let (credentials, victim) = (Credentials::new(&made_up(number)), victim.to_string());
        // Whoever is turned away comes again.
        let mut stream = loop {
            match timeout_at(end, dial_any(&credentials, &victim, PORT, Purpose::Sync)).await {
                Ok(Ok(secure)) => break secure.stream,
                Ok(Err(_)) => tokio::time::sleep_until((Moment::now() + AGAIN).min(end)).await,
                Err(_) => return None,
            }
        };
        let begun = Moment::now();
        let hello = Hello { min_version: 1, max_version: 1, standing: false, run: None, hears: false };
        let framed = |frame: Frame| {
            let bytes = frame.encode();
            [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
        };
        let mut next = framed(Frame::Hello(hello));
        let (mut beat, mut heard, mut answered) = (interval(Duration::from_secs(2)), [0; 1024], false);
        loop {
            tokio::select! {
                read = stream.read(&mut heard) => match read {
                    Ok(1..) => answered = true,
                    Ok(0) | Err(_) => return Some(Stood { lasted: begun.elapsed(), at_the_end: false, answered }),
                },
                _ = beat.tick() => {
                    // Its end is heard of by reading.
                    let _ = stream.write_all(&std::mem::replace(&mut next, framed(Frame::Ping))).await;
                    let _ = stream.flush().await;
                }
                () = tokio::time::sleep_until(end) => {
                    return Some(Stood { lasted: begun.elapsed(), at_the_end: true, answered });
                }
            }
        }
    }

    /// An address of the internet that belongs to nobody (RFC 5737).
    const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
    /// Before a connection that was refused is tried again.
    const AGAIN: Duration = Duration::from_secs(1);
    /// Where the system keeps those that have names.
    const NAMESPACES: &str = "/run/netns";
    /// As nodes have it that were told nothing else.
    const PORT: u16 = 24417;
    /// Whoever asks for more gets this.
    const MOST_SECONDS: u64 = 600;
    /// Made-up devices of a flood: more than are let in from one address.
    const DEVICES: u64 = 4096;
}
