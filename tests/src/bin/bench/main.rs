//! What Lanyard costs against the bare network, both measured in one run on hosts as network namespaces.
//!
//! `bench [--gib N] [found] [latency] [file] [idle]`: all four if none is named. Files lie in the folder for
//! temporary files: `TMPDIR=/dev/shm` takes the disk out of the comparison.
//! `bench transfers [large] [small] [many] [resume] [first]`: files against the wire and against other programs;
//! `[killed] [damaged] [tiny] [swarm] [lossy]`: files that everything happens to on their way.
//! `bench rooms [R1 ...]`: large rooms, bad networks and crashes.
//! `bench calls [--seconds N]`: what a sender sends however many listen, processor and memory, and what is lost of it.
//! `bench attacks`: what known people notice while one host attacks another.
//! `bench networks [R12] [R13] [R14] [R15] [idle]`: networks as they are, and what a node costs that does nothing.
//! `bench power [--seeds N] [--from SEED] [--record FOLDER]`: what is lost with the power, at so many moments.

#[cfg(target_os = "linux")]
mod attacks;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod networks;
#[cfg(target_os = "linux")]
mod node;
#[cfg(target_os = "linux")]
mod rooms;
#[cfg(target_os = "linux")]
mod transfers;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((first, rest)) if first == "attacks" => attacks::run(rest),
        Some((first, rest)) if first == "calls" => calls::run(rest),
        Some((first, rest)) if first == "networks" => networks::run(rest),
        Some((first, rest)) if first == "power" => lanyard_tests::power::command(rest),
        Some((first, rest)) if first == "rooms" => rooms::run(rest),
        Some((first, rest)) if first == "transfers" => transfers::run(rest),
        _ => measure::run(words),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: hosts as network namespaces need Linux");
}
