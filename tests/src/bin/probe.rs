//! Small programs that tests and benches run on other hosts: the bare network without Lanyard.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::json;

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["hold", port] => hold(port.parse().map_err(std::io::Error::other)?),
        ["echo", address] => echo(address.parse().map_err(std::io::Error::other)?),
        ["ping", address, rounds] => {
            let rounds = rounds.parse().map_err(std::io::Error::other)?;
            ping(address.parse().map_err(std::io::Error::other)?, rounds)
        }
        ["answer", address] => answer(address.parse().map_err(std::io::Error::other)?),
        ["ask", address, rounds] => {
            let rounds = rounds.parse().map_err(std::io::Error::other)?;
            ask(address.parse().map_err(std::io::Error::other)?, rounds)
        }
        _ => Err(std::io::Error::other(
            "usage: probe hold PORT | echo ADDRESS | ping ADDRESS ROUNDS | answer ADDRESS | ask ADDRESS ROUNDS",
        )),
    }
}

/// Has a UDP and a TCP port to itself until it is killed.
fn hold(port: u16) -> std::io::Result<()> {
    let _datagrams = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    let _streams = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    println!("{}", json!({ "holds": port }));
    loop {
        std::thread::park();
    }
}

/// Sends every multicast datagram back to the group, once.
fn echo(own: Ipv4Addr) -> std::io::Result<()> {
    let socket = member(own, REQUESTS)?;
    println!("{}", json!({ "ready": true }));
    let mut buffer = [0; 2048];
    loop {
        let (length, _) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length], ANSWERS)?;
    }
}

/// Prints half of each round trip by multicast, in microseconds.
fn ping(own: Ipv4Addr, rounds: u32) -> std::io::Result<()> {
    let socket = member(own, ANSWERS)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut buffer = [0; 2048];
    for round in 0..rounds {
        let sent = Instant::now();
        socket.send_to(&round.to_be_bytes(), REQUESTS)?;
        loop {
            let length = socket.recv(&mut buffer)?;
            if buffer[..length] == round.to_be_bytes() {
                break;
            }
        }
        println!("{}", json!({ "one_way_us": sent.elapsed().as_micros() as u64 / 2 }));
    }
    Ok(())
}

/// Sends every datagram back to whoever sent it.
fn answer(own: Ipv4Addr) -> std::io::Result<()> {
    let socket = UdpSocket::bind((own, BYSTANDER))?;
    println!("{}", json!({ "ready": true }));
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length], from)?;
    }
}

/// Prints each round trip to somebody who answers, in microseconds, or null where nothing came back; ten a second.
fn ask(other: Ipv4Addr, rounds: u32) -> std::io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut buffer = [0; 2048];
    let begun = Instant::now();
    for round in 0..rounds {
        let sent = Instant::now();
        let end = begun + (round + 1) * BETWEEN_ROUNDS;
        socket.send_to(&round.to_be_bytes(), (other, BYSTANDER))?;
        let mut round_trip = None;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            socket.set_read_timeout(Some(left))?;
            // An error is the end of the round.
            if socket.recv(&mut buffer).is_ok_and(|length| buffer[..length] == round.to_be_bytes()) {
                round_trip.get_or_insert(sent.elapsed().as_micros() as u64);
            }
        }
        println!("{}", json!({ "round_trip_us": round_trip }));
    }
    Ok(())
}

fn member(own: Ipv4Addr, group: SocketAddrV4) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, group.port()))?;
    socket.join_multicast_v4(group.ip(), &own)?;
    socket.set_multicast_loop_v4(false)?;
    Ok(socket)
}

const BYSTANDER: u16 = 24503;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);

// Of the range for use within one organisation.
const REQUESTS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 77, 1), 24501);
const ANSWERS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 77, 1), 24502);
