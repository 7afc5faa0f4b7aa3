//! The words of verbs about transfers.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::text;

#[derive(Debug, ClapArgs)]
pub struct Accepting {
    /// The offer, by its id as it is listed.
    pub id: String,
    /// Folder to put it into, instead of the download folder.
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Only these files and folders, as `lanyard files` names them. The others can be fetched later.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub only: Vec<String>,
    /// Wait for so many seconds at the most; without a number, or without this, for as long as it takes.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with = "no_wait"
    )]
    pub wait: Option<Option<u32>>,
    /// Return at once: the node that runs for the profile goes on with it.
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Get {
    /// @person by name, or first characters of the id.
    pub peer: String,
    /// A shared folder by its name or id, and a file or folder in it. Several are fetched together.
    #[arg(required = true, value_name = "SHARE[/PATH]")]
    pub what: Vec<String>,
    /// Folder to put it into, instead of the download folder.
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// End only when it is here, verified, after so many seconds at the most if they are given.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
    pub wait: Option<Option<u32>>,
}

#[derive(Debug, ClapArgs)]
pub struct Limits {
    /// How fast files are given, in a second: 500kB, 2MB, 1.5MiB, a number of bytes, or none.
    #[arg(long, value_name = "RATE", value_parser = text::rate)]
    pub up: Option<u64>,
    /// How fast files are fetched, in a second.
    #[arg(long, value_name = "RATE", value_parser = text::rate)]
    pub down: Option<u64>,
    /// How many transfers are fetched at a time onto one disk, 1 to 16.
    #[arg(long, value_name = "N")]
    pub at_once: Option<u32>,
    /// Whether sealed bytes are passed on between devices that cannot dial each other.
    #[arg(long, value_name = "on|off", value_parser = text::switch)]
    pub relay: Option<bool>,
}
