//! How fast files cross from one folder to another over loopback, sealed and verified: `cargo run --release --example
//! throughput -p lanyard-engine -- FOLDER [MIB] [big|small]`. The folder should be in memory, so that no disk is measured.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lanyard_engine::files::{
    Dial, Dialled, Receiver, Shelf, Told, Verdict, Wanted, Way, pull, serve, survey,
};
use lanyard_engine::net::stream::{Listener, Secure, Stream, dial};
use lanyard_engine::net::tls::{Credentials, Purpose};
use lanyard_proto::effects::Audience;
use lanyard_proto::identity::Identity;
use lanyard_proto::model::TransferId;
use lanyard_proto::wire::file::Source;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

const TRANSFER: TransferId = TransferId([1; 16]);

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?).join("lanyard-throughput");
    let mebibytes: usize = arguments.next().map_or(Ok(1024), |count| count.parse())?;
    std::fs::create_dir_all(&folder)?;
    let which = arguments.next();
    let is = |what: &str| which.as_deref().is_none_or(|which| which == what);
    let measured = async {
        if is("big") {
            big(&folder, mebibytes).await?;
        }
        if is("small") { small(&folder).await } else { Ok(()) }
    };
    let measured = measured.await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn big(folder: &Path, mebibytes: usize) -> Outcome {
    let big = folder.join("big");
    let mut file = std::fs::File::create(&big)?;
    for _ in 0..mebibytes {
        file.write_all(noise())?;
    }
    drop(file);
    report("one file", folder, &big).await?;
    Ok(std::fs::remove_file(&big)?)
}

async fn small(folder: &Path) -> Outcome {
    for (what, files, sizes) in
        [("10,000 files of 1-16 KiB", 10_000, 1024..16_384), ("100,000 files of 4 KiB", 100_000, 4096..4097)]
    {
        let small = folder.join("small");
        for at in 0..files {
            let inside = small.join((at % 100).to_string());
            std::fs::create_dir_all(&inside)?;
            let size = sizes.start + at * (sizes.end - sizes.start) / files;
            std::fs::write(inside.join(at.to_string()), &noise()[..size])?;
        }
        report(what, folder, &small).await?;
        std::fs::remove_dir_all(&small)?;
    }
    Ok(())
}

/// A mebibyte that is not all zeros.
fn noise() -> &'static [u8] {
    static NOISE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    NOISE.get_or_init(|| (0..1usize << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect())
}

/// Dials over loopback.
#[derive(Clone)]
struct Loopback(Credentials);

impl Dial for Loopback {
    type Stream = Stream;

    async fn dial(&self, to: Source) -> std::io::Result<Dialled<Stream>> {
        let Secure { stream, .. } = dial(&self.0, to.peer, &to.addresses, Purpose::File).await?;
        Ok(Dialled { stream, near: true, way: Way::Direct })
    }
}

async fn report(what: &str, folder: &Path, source: &Path) -> Outcome {
    let [ann, bob] = [1, 2].map(|n| Identity::from_seed(&[n; 32]));
    let author = ann.peer_id();
    let [holds, dials] = [Credentials::new(&ann), Credentials::new(&bob)];
    let shelf = Shelf::open(&folder.join("profile"))?.signed_by(std::sync::Arc::new(ann));
    let survey = survey(vec![source.to_owned()], None).await?;
    let offer = survey.offer.clone();
    shelf.put(TRANSFER, survey, Audience::Anyone).await?;
    let (arriving, mut arrivals) = mpsc::channel(1);
    let (listener, port) = Listener::bind(0)?;
    let _serving = listener.serve(&holds, arriving);
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let served = shelf.clone();
    let holder = tokio::spawn(async move {
        let secure = arrivals.recv().await.ok_or(std::io::ErrorKind::NotConnected)?;
        let (peer, stream) = (secure.peer(), secure.stream);
        let receiver = Receiver { peer, addresses: Vec::new() };
        let asked = |_| std::future::ready(Verdict::MayFetch);
        serve(stream, receiver, served, asked, (), |_, _| {}, CancellationToken::new())
            .await
            .map_err(std::io::Error::other)
    });
    let into = folder.join("received");
    let wanted = Wanted {
        transfer: TRANSFER,
        author,
        offer: offer.clone(),
        into: into.clone(),
        only: None,
        gives_on: false,
    };
    let sources = vec![Source { peer: author, addresses: vec![([127, 0, 0, 1], port).into()] }];
    let receiving = Shelf::open(&folder.join("receiver"))?;
    let first = std::sync::Mutex::new(None);
    let first = std::sync::Arc::new(first);
    let begun = first.clone();
    let moved = move |told| {
        if let (Told::Moved(1..), Ok(mut first)) = (told, begun.lock()) {
            first.get_or_insert(start.elapsed());
        }
    };
    pull(wanted, sources, Loopback(dials), receiving, moved, CancellationToken::new()).await?;
    holder.await??;
    if let Ok(Some(first)) = first.lock().map(|first| *first) {
        println!("{what}: the first piece after {:.1} ms", first.as_secs_f64() * 1000.0);
    }
    let seconds = start.elapsed().as_secs_f64();
    let gib = offer.bytes as f64 / (1u64 << 30) as f64;
    let cpu = cpu_seconds().zip(cpu).map_or(f64::NAN, |(now, before)| (now - before) / gib);
    println!("{what}: {:.0} files a second", offer.files as f64 / seconds);
    println!("{what}: {gib:.2} GiB in {seconds:.2} s, {:.2} GB/s", offer.bytes as f64 / seconds / 1e9);
    println!("{what}: {cpu:.2} CPU-seconds per GiB for both ends together");
    shelf.forget(TRANSFER).await?;
    std::fs::remove_dir_all(&into)?;
    Ok(())
}

/// What this process has used so far, on Linux; in hundredths of a second, as `/proc` counts (proc_pid_stat(5)).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = [fields.get(11)?, fields.get(12)?].map(|field| field.parse::<f64>().unwrap_or(f64::NAN));
    Some((ticks[0] + ticks[1]) / 100.0)
}
