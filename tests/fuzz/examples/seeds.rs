//! Writes what the fuzzers start from: one file for each valid encoding. `cargo run --example seeds`.

#[path = "seeds/voices.rs"]
mod voices;

use std::fs;
use std::path::Path;

use lanyard_proto::identity::Identity;
use lanyard_proto::model::{
    EntryId, Hlc, LogId, PeerId, Platform, RoomId, Seq, ShareId, Token, TransferId, UnixMillis,
};
use lanyard_proto::rooms::{Content, Invite, Offer, Text};
use lanyard_proto::transfer::{Failure, Receipt};
use lanyard_proto::trust;
use lanyard_proto::wire::compact::Packer;
use lanyard_proto::wire::compare::Compare;
use lanyard_proto::wire::datagram::{
    Announcement, Carry, Envelope, Fragment, Head, Heads, NetworkTag, Pieces, Query, RoomPacket, Wanted, kind,
};
use lanyard_proto::wire::detour::{Call, Knock, Meet, Side, Wish};
use lanyard_proto::wire::entry::{Entry, Header};
use lanyard_proto::wire::file::{self, BundlePart, Data, Item, ItemKind, Leaves, PieceFrame, Source, Want};
use lanyard_proto::wire::frame::{Frame, Have, Hello, Listed, Passed, Relayed};
use lanyard_proto::wire::mail::{self, Mail};
use lanyard_proto::wire::probe::{Probe, Probing, Reached, Sent};
use lanyard_proto::wire::share::{self, After, Share, Shared, Taken, Why};

const ROOM: RoomId = RoomId([9; 32]);
const TRANSFER: TransferId = TransferId([5; 16]);

fn main() -> std::io::Result<()> {
    write("datagram", &datagrams())?;
    write("entry", &entries())?;
    write("frame", &frames())?;
    write("file_frame", &file_frames())?;
    write("link", &links())?;
    write("text", &texts())?;
    write("names", &names())?;
    write("list", &lists())?;
    write("picture", &pictures())?;
    write("media", &voices::voices())?;
    write("node", &days())
}

/// In place of all that were written before: an encoding of yesterday is no beginning.
fn write(target: &str, seeds: &[(&str, Vec<u8>)]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for (name, bytes) in seeds {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

fn links() -> Vec<(&'static str, Vec<u8>)> {
    let (ann, token) = (Identity::from_seed(&[1; 32]).peer_id(), Token([4; 16]));
    let expires = UnixMillis(1_900_000_000_000);
    let invite = Invite { room: ROOM, secret: [6; 16], inviter: ann, expires };
    let knock = Knock { to: ann, token, via: Some(PeerId([2; 32])), wish: Wish::Sync };
    let call = Call { side: Side::Asking, other: ann, token };
    vec![
        ("invite", invite.link().into_bytes()),
        ("device", trust::link(ann).into_bytes()),
        ("knock", knock.encode()),
        ("meet", Meet { to: ann, rooms: vec![[3; 8]] }.encode()),
        ("call", call.encode().to_vec()),
        ("commit", Compare::Commit([5; 32]).encode()),
        ("same", Compare::Same.encode()),
    ]
}

fn datagrams() -> Vec<(&'static str, Vec<u8>)> {
    let said = Announcement::new("Ana 张伟", Platform::Linux, 24417, 10, 3, Query::Yes).encode();
    let heads = vec![(LogId([1; 8]), Seq(3)), (LogId([2; 8]), Seq(70_000))];
    let one = entry(b"tea?", 0);
    let mut packer = Packer::new(one.header.author);
    packer.push(&one);
    let entries = packer.finish();
    let data = RoomPacket::Data { entries, heads: heads.clone() }.encode();
    let wanted = vec![Wanted { log: LogId([1; 8]), from: Seq(2), count: 4 }];
    let pieces = vec![Pieces { log: LogId([1; 8]), seq: Seq(6), missing: 5 }];
    let nack = RoomPacket::Nack { wanted, pieces }.encode();
    let (log, seq, id, bytes) = (LogId([1; 8]), Seq(6), [9; 8], vec![3; 40]);
    let piece = RoomPacket::Fragment(Fragment { log, seq, id, index: 1, count: 2, bytes }).encode();
    let heads = (heads.into_iter()).map(|(log, seq)| Head { log, seq, base: Seq(2), check: None }).collect();
    let heads =
        RoomPacket::Heads(Heads { digest: [7; 16], logs: 2, heads, fetch: true, partial: true }).encode();
    let signed = |kind: u8, body: &[u8]| {
        let ann = Identity::from_seed(&[1; 32]);
        let (network, sender) = (NetworkTag::of("default"), ann.peer_id());
        Envelope { kind, boot: 1, counter: 2, network, sender }.sign(&ann, body)
    };
    let bare = |kind: u8, body: &[u8]| [&[kind], body].concat();
    let carry = Carry { datagram: signed(kind::ANNOUNCE, &said), from: Some([10, 0, 0, 7].into()) }.encode();
    let probe = Probe { sent: Sent::Broadcast, lonely: true }.encode();
    vec![
        ("announce", signed(kind::ANNOUNCE, &said)),
        ("bye", signed(kind::BYE, &[])),
        ("carry", signed(kind::CARRY, &carry)),
        ("probe", signed(kind::PROBE, &probe)),
        ("data", signed(kind::DATA, &data)),
        ("announce-body", bare(kind::ANNOUNCE, &said)),
        ("carry-body", bare(kind::CARRY, &carry)),
        ("probe-body", bare(kind::PROBE, &probe)),
        ("data-body", bare(kind::DATA, &data)),
        ("heads-body", bare(kind::HEADS, &heads)),
        ("nack-body", bare(kind::NACK, &nack)),
        ("fragment-body", bare(kind::FRAGMENT, &piece)),
    ]
}

fn entry(body: &[u8], deps: usize) -> Entry {
    let ann = Identity::from_seed(&[1; 32]);
    let header = Header {
        room: ROOM,
        author: ann.peer_id(),
        nonce: 7,
        epoch: 0,
        seq: Seq(3),
        prev: EntryId([4; 32]).0,
        hlc: Hlc(5 << 16),
        deps: vec![(LogId([1; 8]), Seq(2)); deps],
        kind: 1,
    };
    Entry::write(&ann, header, body.to_vec())
}

fn contents() -> Vec<(&'static str, Content)> {
    let names = vec!["图纸.dwg".to_owned(), "plan.pdf".to_owned()];
    let offer = Offer { names, files: 3, folders: 1, bytes: 1 << 40, manifest: [6; 32] };
    let receipt = |receipt| Content::Receipt { transfer: TRANSFER, receipt };
    let (target, text) = (EntryId([7; 32]), Text::from("@Bob tea?"));
    vec![
        ("text-body", Content::Text("tea?\n\te\u{301} 👩\u{200D}💻".into())),
        ("offer-body", Content::Offer { transfer: TRANSFER, offer }),
        ("received-body", receipt(Receipt::Received { digest: [1; 32] })),
        ("declined-body", receipt(Receipt::Declined)),
        ("cancelled-body", receipt(Receipt::Cancelled)),
        ("failed-body", receipt(Receipt::Failed(Failure::DiskFull))),
        (
            "reply-body",
            Content::Text(Text { reply: Some(target), mentions: vec![PeerId([2; 32])], ..text.clone() }),
        ),
        ("edit-body", Content::Edit { target, text }),
        ("delete-body", Content::Delete { target }),
        ("reaction-body", Content::Reaction { target, emoji: "👍🏽".to_owned(), on: true }),
        ("topic-body", Content::Topic("What we build".to_owned())),
        ("pin-body", Content::Pin { target, on: true }),
    ]
}

fn entries() -> Vec<(&'static str, Vec<u8>)> {
    let text = Content::Text("tea?".into()).encode("Ana");
    let mut seeds = vec![
        ("entry", entry(&text, 0).encode()),
        ("entry-with-deps", entry(&text, 4).encode()),
        ("entry-in-room", entry(&text, 1).encode_in_room()),
    ];
    seeds.extend(contents().into_iter().map(|(name, content)| {
        let body = content.encode("Ana");
        (name, [&[content.kind()], body.as_slice()].concat())
    }));
    seeds
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let hello = Hello { min_version: 1, max_version: 1, standing: true, run: None, hears: false };
    let entries = vec![entry(b"tea?", 1).encode_in_room()];
    let head = Head { log: LogId([1; 8]), seq: Seq(3), base: Seq(1), check: Some(5) };
    let relayed = Relayed { datagram: vec![1; 40], from: Some([10, 0, 0, 7].into()) };
    let listed = Listed { name: "design".to_owned(), members: 3, active: 1, age: 60 };
    let heard = [(Sent::Multicast, [10, 0, 0, 7].into()), (Sent::Broadcast, [1; 16].into())].into();
    let echo = Probing::Echo { heard, dialled: Some(Reached::Silent), sent: true };
    let mut seeds = vec![
        ("hello", Frame::Hello(hello).encode()),
        (
            "have",
            Frame::Have(Have {
                room: ROOM,
                logs: vec![head],
                ask: true,
                digest: [2; 16],
                deeds: Some([3; 16]),
            })
            .encode(),
        ),
        (
            "want",
            Frame::Want {
                room: ROOM,
                ranges: vec![(head.log, head.span())],
                more: true,
                deeds: Some([[7; 8]].into()),
            }
            .encode(),
        ),
        ("deeds", Frame::Deeds { room: ROOM, entries: entries.clone() }.encode()),
        ("look", Frame::Look { roster: true }.encode()),
        ("rooms", Frame::Rooms(vec![listed]).encode()),
        ("entries", Frame::Entries { room: ROOM, entries }.encode()),
        ("done", Frame::Done { room: ROOM }.encode()),
        ("announcements", Frame::Announcements(vec![relayed]).encode()),
        ("ping", Frame::Ping.encode()),
        ("probe-ask", Frame::Probing(Probing::Ask { port: 24417 }).encode()),
        ("probe-echo", Frame::Probing(echo).encode()),
        ("passed", Frame::Passed(Passed { datagrams: vec![vec![1; 130]; 2], unheard: true }).encode()),
    ];
    seeds.extend(mail().into_iter().map(|(name, mail)| (name, Frame::Mail(mail).encode())));
    seeds
}

fn mail() -> Vec<(&'static str, Mail)> {
    let (author, recipient, log) = (PeerId([1; 32]), PeerId([2; 32]), LogId([1; 8]));
    let entries = vec![entry(b"tea?", 0).encode_in_room()];
    let span = lanyard_proto::model::Span { after: Seq(2), to: Seq(9) };
    let receipt = Some(mail::Receipt { span, signature: [7; 64] });
    let kept = mail::Kept { recipient, log, span, refused: Some(mail::Why::Full), receipt };
    vec![
        ("deposit", Mail::Deposit { recipient, entries: entries.clone() }),
        ("kept", Mail::Kept(kept)),
        ("ask", Mail::Ask { recipient, log }),
        ("release", Mail::Release { recipient, log, to: Seq(9) }),
        ("waiting", Mail::Waiting { bundles: vec![mail::Waiting { author, log, span }] }),
        ("fetch", Mail::Fetch { author, log, span }),
        ("bundle", Mail::Bundle { author, log, entries }),
        ("taken", Mail::Taken { author, log, span, signature: Some([8; 64]) }),
    ]
}

/// The list of an offer.
fn page() -> Vec<u8> {
    let item = |path: &[&str], size, kind| Item {
        components: path.iter().map(|name| (*name).to_owned()).collect(),
        size,
        modified: Some(1_700_000_000_000_000_000),
        kind,
    };
    let mut page = Vec::new();
    for item in [
        item(&["photos"], 0, ItemKind::Folder),
        item(&["photos", "图纸.dwg"], 70_000, ItemKind::File),
        item(&["run.sh"], 12, ItemKind::Executable),
        item(&["latest"], 0, ItemKind::Skipped),
    ] {
        item.encode(&mut page);
    }
    page
}

fn lists() -> Vec<(&'static str, Vec<u8>)> {
    let item = |path: &[&str], kind| {
        let components = path.iter().map(|name| (*name).to_owned()).collect();
        let mut encoded = Vec::new();
        Item { components, size: u64::from(kind == ItemKind::File), modified: None, kind }.encode(&mut encoded);
        encoded
    };
    let of = |most: u8, items: &[Vec<u8>]| [&[most], items.concat().as_slice()].concat();
    let twins = ["a", "A", "a.", "a\u{200b}"].map(|name| item(&[name], ItemKind::File));
    let hostile = ["..", "/etc/passwd", "C:\\x", "con", "a:b", "\u{202e}txt.exe"];
    let hostile = hostile.map(|name| item(&[name], ItemKind::File));
    let long = "ü".repeat(100);
    let long = long.as_str();
    let deep = [
        item(&["..", "x"], ItemKind::File),
        item(&[long], ItemKind::Folder),
        item(&[long, long], ItemKind::Folder),
        item(&[long, long, "file"], ItemKind::File),
    ];
    vec![
        ("items", [&[200], page().as_slice()].concat()),
        ("twins", of(200, &twins)),
        ("hostile", of(64, &hostile)),
        ("orphan", of(143, &deep)),
        ("deep", of(143, &deep[1..])),
    ]
}

/// As few bytes as make one.
fn pictures() -> Vec<(&'static str, Vec<u8>)> {
    let png: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x0a\0\0\0\x0a\x08\x06\0\0\0CRC.\
        \0\0\0\x1afcTL\0\0\0\0\0\0\0\x0a\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0CRC.\0\0\0\0IENDCRC.";
    let jpeg: &[u8] = b"\xff\xd8\xff\xe0\0\x04JF\xff\xc2\0\x0b\x08\0\x0a\0\x0a\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\x07\xff\0\
        \xff\xda\0\x08\x01\x01\0\0\x3f\0\x07\xff\xd9";
    let gif: &[u8] = b"GIF89a\x0a\0\x0a\0\x80\0\0......!\xf9\x04\0\0\0\0\0,\0\0\0\0\x0a\0\x0a\0\0\x02\x02L\x01\0;";
    let webp: &[u8] = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x09\0\0\x09\0\0ANMF\x10\0\0\0\0\0\0\0\0\0\x09\0\0\x09\0\0\0\0\0\0";
    let lossless: &[u8] = b"RIFF\0\0\0\0WEBPVP8L\x05\0\0\0\x2f\x09\x40\x02\0\0";
    let seeds = [("png", png), ("jpeg", jpeg), ("gif", gif), ("webp", webp), ("lossless", lossless)];
    seeds.map(|(name, bytes)| (name, bytes.to_vec())).into()
}

fn names() -> Vec<(&'static str, Vec<u8>)> {
    let long = format!("CON{}x.tar.gz", " ".repeat(300));
    let seeds = [
        ("plain", "report.pdf"),
        ("composed", "e\u{301}\u{1112}\u{1161}.txt"),
        ("up", "../../etc/passwd"),
        ("drive", "C:\\x"),
        ("server", "\\\\?\\UNC\\server\\share"),
        ("stream", "file.txt::$DATA"),
        ("device", "com¹ .txt"),
        ("console", "CONIN$. . "),
        ("reversed", "photo\u{202e}gpj.exe"),
        ("hidden", "\u{200b}.\u{feff}."),
        ("home", " ~/.ssh"),
        ("folding", "ſ İ ς \u{212a}\u{338}<"),
        ("long", long.as_str()),
    ];
    seeds.map(|(name, text)| (name, text.as_bytes().to_vec())).into()
}

fn file_frames() -> Vec<(&'static str, Vec<u8>)> {
    let page = page();
    let piece = |lacking: &[u16], data| {
        file::Frame::Piece(PieceFrame { piece: 2, lacking: lacking.to_vec(), data })
    };
    let leaves = |leaves, signature| file::Frame::Leaves(Leaves { first: 256, leaves, signature });
    let addresses = vec!["192.0.2.1:24417".parse().expect("an address")];
    let sources = vec![Source { peer: Identity::from_seed(&[1; 32]).peer_id(), addresses }];
    let want = Want { pieces: vec![1, 70_000], any: 16, leaves: vec![3], parts: vec![BundlePart::new(2, [1])] };
    let share = ShareId([7; 16]);
    let after = Some(After { folder: true, name: "May".to_owned() });
    let list = Share::List { share, folder: "2026".to_owned(), after, limit: 1000 };
    let entry = share::Entry { name: "图纸.dwg".to_owned(), folder: false, size: 70_000, modified: 1 << 40 };
    let names = vec!["May".to_owned()];
    let taken =
        Taken { transfer: TRANSFER.0, names, files: 3, folders: 1, bytes: 1 << 30, manifest: [6; 32] };
    let framed = |frame: file::Frame<'_>| {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        bytes.split_off(4)
    };
    vec![
        ("get", framed(file::Frame::Get { transfer: TRANSFER, listed: false })),
        ("manifest", framed(file::Frame::Manifest { items: &page })),
        ("manifest-end", framed(file::Frame::ManifestEnd)),
        ("want", framed(file::Frame::Want(want))),
        ("piece", framed(piece(&[1, 7], Data::Bytes(b"the end")))),
        ("zeros", framed(piece(&[], Data::Zeros))),
        ("leaves", framed(leaves(&[3; 64], None))),
        ("signed", framed(leaves(&[], Some([8; 64])))),
        ("have", framed(file::Frame::Have { bits: &[255, 3] })),
        ("got", framed(file::Frame::Got { pieces: vec![0, 1, 900] })),
        ("spread", framed(file::Frame::Spread)),
        ("paused", framed(file::Frame::Paused)),
        ("peers", framed(file::Frame::Peers(sources))),
        ("file-failed", framed(file::Frame::FileFailed { file: 1, failure: Failure::SourceGone })),
        ("refused", framed(file::Frame::Refused(file::Refusal::Busy))),
        ("cancel", framed(file::Frame::Cancel)),
        ("done-receipt", framed(file::Frame::Done { digest: [1; 32], files: Some(&[3]) })),
        ("alive", framed(file::Frame::Alive)),
        ("look", framed(file::Frame::Share(Share::Look))),
        ("shared", framed(file::Frame::Share(Share::Shared(vec![Shared { share, name: "Photos".to_owned() }])))),
        ("list", framed(file::Frame::Share(list))),
        ("listing", framed(file::Frame::Share(Share::Listing { entries: vec![entry], more: true }))),
        ("take", framed(file::Frame::Share(Share::Take { share, paths: vec!["2026/May".to_owned()] }))),
        ("taken", framed(file::Frame::Share(Share::Taken(taken)))),
        ("unshared", framed(file::Frame::Share(Share::Unshared { why: Why::Gone, path: Some(1) }))),
        ("items", page),
    ]
}

fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let peer = Identity::from_seed(&[1; 32]).peer_id();
    let seed = |text: &str| [&[48], text.as_bytes()].concat();
    vec![
        ("name", seed("  Ana \t Lee ")),
        ("deceiving", seed("gpj.\u{202E}exe\u{200B}")),
        ("composed", seed("e\u{301} 한\u{1112}\u{1161}\u{11AB}")),
        ("emoji", seed("👩\u{200D}💻")),
        ("lines", seed("fn main() {\r\n\tgo()\r}\n\n")),
        ("room", seed("# ＤＥＳＩＧＮ İ ς")),
        ("peer", seed(&peer.to_string())),
        ("spelled", seed(&peer.spelled())),
        ("hex", seed(&TRANSFER.to_string())),
    ]
}

/// Short days of a device, as operations of [`lanyard_fuzz::node`].
fn days() -> Vec<(&'static str, Vec<u8>)> {
    // Rooms: 0..=2 the direct conversations, 3 the named one, 4 the lobby.
    let announce = |who: u8| [&[0, who, 0, 10, 1, 0, 3], b"bob".as_slice()].concat();
    let text = Content::Text("tea?".into()).encode("Ana");
    let written =
        |how: u8, kind: u8, body: &[u8]| [&[how, 0, kind, 0, body.len() as u8], body, &[6]].concat();
    let data = |who: u8, room: u8, entry: &[u8]| [&[2, who, room, 0, 1], entry, &[0, 0]].concat();
    let beyond = [&[3, 9, 4, 0, 0, 0, text.len() as u8], text.as_slice(), &[6]].concat();
    let offer = contents().remove(1).1.encode("Ana");
    let connect = |who: u8, how: u8| vec![4, who, how];
    let say = |room: u8| [&[10, room, 0, 4], b"tea!".as_slice(), &[0]].concat();
    let wait = |exponent: u8| vec![8, exponent];
    let deadlines = |count: u8| vec![9, count];
    let days = vec![
        ("chat", [announce(0), data(0, 4, &written(0, 0, &text)), say(4), deadlines(20)].concat()),
        ("gap", [announce(0), announce(1), data(0, 4, &beyond), deadlines(200), wait(28)].concat()),
        ("direct", [announce(1), vec![11, 2, 1], say(1), data(1, 1, &written(0, 0, &text))].concat()),
        (
            "named-room",
            [announce(2), vec![11, 1], data(2, 3, &written(0, 0, &text)), say(3), vec![11, 3, 3]].concat(),
        ),
        ("claims", [announce(0), vec![2, 0, 4, 1, 7, 3, 0, 2, 0, 9, 4, 5, 200, 0], deadlines(60)].concat()),
        ("nacked", [announce(0), say(4), vec![2, 0, 4, 2, 3, 1, 3, 1, 0], deadlines(20)].concat()),
        (
            "catch-up",
            [
                announce(0),
                connect(0, 0),
                vec![6, 0, 0, 4, 1, 0, 9],
                [&[6, 0, 1, 4, 1], written(0, 0, &text).as_slice()].concat(),
                vec![6, 0, 2, 4],
                vec![5, 1, 0],
                vec![5, 2, 0],
            ]
            .concat(),
        ),
        ("standing", [connect(1, 11), say(4), vec![6, 0, 3, 0, 2, b'b', b'o'], deadlines(30)].concat()),
        (
            "file",
            [
                announce(0),
                data(0, 0, &written(0, 1, &offer)),
                vec![13, 0, 0, 0],
                deadlines(5),
                vec![13, 4, 0, 1],
                vec![12, 4, 9, 0, 1, b'x', 4],
            ]
            .concat(),
        ),
        (
            // The first one gives this device something to keep for the second, which comes, fetches and takes it.
            "kept-for-somebody",
            [
                announce(0),
                connect(0, 0),
                [&[6, 0, 8, 1, 0, 1], written(0, 0, &text).as_slice()].concat(),
                announce(1),
                connect(1, 1),
                vec![6, 1, 8, 0, 5, 0, 0, 9],
                vec![6, 1, 8, 0, 7, 0, 0, 1, 1],
                vec![6, 0, 8, 1, 2, 0],
            ]
            .concat(),
        ),
        (
            // What this device writes to the second is given to the first, which says to keep it.
            "kept-by-somebody",
            [
                announce(0),
                vec![11, 2, 1],
                wait(21),
                say(1),
                deadlines(3),
                connect(0, 1),
                vec![6, 0, 8, 1, 1, 3, 0, 1, 0, 0],
                deadlines(20),
            ]
            .concat(),
        ),
        (
            // The second comes over a link and says that it is not heard; the first is heard, and carries the third.
            "carried",
            [
                announce(0),
                connect(1, 11),
                [&[6, 0, 3, 0, 3], b"cyd".as_slice(), &[0]].concat(),
                vec![6, 0, 12, 1, 1, 1, 1],
                [&[16, 0, 2, 0, 3], b"dan".as_slice(), &[1]].concat(),
                say(4),
                vec![16, 0, 2, 2, 4, 7, 1, 0, 0],
                deadlines(60),
            ]
            .concat(),
        ),
        ("leaving", [announce(0), vec![14, 0], wait(30), vec![15, 0], announce(0)].concat()),
    ];
    // Each ends in a long silence.
    days.into_iter().map(|(name, day)| (name, [&[0], day.as_slice()].concat())).collect()
}
