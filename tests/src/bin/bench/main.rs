//! What Lanyard costs against the bare network, both measured in one run on hosts as network namespaces.
//!
//! `bench [--gib N] [found] [latency] [file] [idle]`: all four if none is named. Files lie in the folder for
//! temporary files: `TMPDIR=/dev/shm` takes the disk out of the comparison.

#[cfg(target_os = "linux")]
mod measure;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    measure::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: hosts as network namespaces need Linux");
}
