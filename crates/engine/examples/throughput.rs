//! How fast a file crosses from one folder to another over loopback TCP, without TLS: `cargo run --release --example
//! throughput -p lanyard-engine -- FOLDER [MIB]`. The folder should be in memory, so that no disk is measured.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lanyard_engine::files::{Shelf, Verdict, pull, serve, survey};
use lanyard_proto::effects::Audience;
use lanyard_proto::model::{PeerId, TransferId};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

const TRANSFER: TransferId = TransferId([1; 16]);
const RECEIVER: PeerId = PeerId([2; 32]);

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?).join("lanyard-throughput");
    let mebibytes: usize = arguments.next().map_or(Ok(1024), |count| count.parse())?;
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&folder, mebibytes).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(folder: &Path, mebibytes: usize) -> Outcome {
    let big = folder.join("big");
    let noise: Vec<u8> = (0..1usize << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut file = std::fs::File::create(&big)?;
    for _ in 0..mebibytes {
        file.write_all(&noise)?;
    }
    drop(file);
    report("one file", folder, &big).await?;
    std::fs::remove_file(&big)?;

    let small = folder.join("small");
    for at in 0..10_000 {
        let inside = small.join((at % 100).to_string());
        std::fs::create_dir_all(&inside)?;
        std::fs::write(inside.join(at.to_string()), &noise[..1024 + at * 15_360 / 10_000])?;
    }
    report("10,000 files", folder, &small).await
}

async fn report(what: &str, folder: &Path, source: &Path) -> Outcome {
    let shelf = Shelf::open(&folder.join("profile"))?;
    let survey = survey(vec![source.to_owned()]).await?;
    let offer = survey.offer.clone();
    shelf.put(TRANSFER, survey, Audience::Anyone).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let holder = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        serve(
            stream,
            RECEIVER,
            shelf,
            |_| std::future::ready(Verdict::MayFetch),
            |_, _| {},
            CancellationToken::new(),
        )
        .await
        .map_err(std::io::Error::other)
    });
    let stream = TcpStream::connect(address).await?;
    let into = folder.join("received");
    pull(stream, TRANSFER, &offer, &into, |_| {}, CancellationToken::new()).await?;
    holder.await??;
    let seconds = start.elapsed().as_secs_f64();
    let gib = offer.bytes as f64 / (1u64 << 30) as f64;
    let cpu = cpu_seconds().zip(cpu).map_or(f64::NAN, |(now, before)| (now - before) / gib);
    println!("{what}: {gib:.2} GiB in {seconds:.2} s, {:.2} GB/s", offer.bytes as f64 / seconds / 1e9);
    println!("{what}: {cpu:.2} CPU-seconds per GiB for both ends together");
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
