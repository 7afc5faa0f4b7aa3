//! The words of `lanyard call`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub struct Call {
    /// '#room' or @person.
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    pub to: Option<String>,
    /// Say this instead of what the microphone hears: a WAV file, 'tone', 'silence', or - for 48 kHz, mono, signed 16 bit, little
    /// endian from standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "decline"])]
    pub audio: Option<String>,
    /// Write what is heard into a new WAV file instead of playing it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "decline"])]
    pub record: Option<PathBuf>,
    /// Leave after so many seconds; else Ctrl-C leaves.
    #[arg(long = "for", value_name = "SECONDS", conflicts_with_all = ["list", "decline"])]
    pub seconds: Option<u32>,
    /// Do not answer a call that rings.
    #[arg(long, conflicts_with = "list")]
    pub decline: bool,
    /// Show the calls that are on.
    #[arg(long)]
    pub list: bool,
}
