//! The words about whom to believe.

use clap::{ArgGroup, Args as ClapArgs};

use crate::text;

/// Make sure that somebody is who the name says: compare sixty digits, seven emoji, or a link.
#[derive(Debug, ClapArgs)]
#[command(
    group = ArgGroup::new("way").args(["emoji", "confirm", "link", "apart", "undo", "accept_up_to"]),
    after_help = "Examples:\n  lanyard verify @Ann                  shows what you both compare: sixty digits and links\n  \
                  lanyard verify @Ann --confirm        after Ann read the same digits to you\n  \
                  lanyard verify @Ann --link lanyard:v1:id:…   the link that Ann's device shows\n  \
                  lanyard verify @Ann --emoji          both see seven emoji; asks whether they are the same\n  \
                  lanyard verify @Ann --accept-up-to 2GB   fetch what Ann offers without asking"
)]
pub struct Verify {
    /// @person by name, or first characters of the id.
    pub peer: String,
    /// Compare seven emoji, while both are here: begins it, or agrees to what the other side began.
    #[arg(long)]
    pub emoji: bool,
    /// The digits are the same: the key is the right one.
    #[arg(long)]
    pub confirm: bool,
    /// Compare with the link that the other device shows.
    #[arg(long, value_name = "TEXT")]
    pub link: Option<String>,
    /// Show the link of this device as a QR code, too.
    #[arg(long, conflicts_with = "way")]
    pub qr: bool,
    /// It is somebody else than the verified person of this name.
    #[arg(long)]
    pub apart: bool,
    /// Believe it no longer.
    #[arg(long)]
    pub undo: bool,
    /// Fetch what a verified person offers without asking, up to so much an offer: 500MB, 2GB, or none to ask again.
    #[arg(long, value_name = "SIZE", value_parser = text::rate)]
    pub accept_up_to: Option<u64>,
}

/// Neither hear nor answer somebody: what they write and offer is not shown, and nothing of theirs is fetched.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  lanyard block @Mallory")]
pub struct Block {
    /// @person by name, or first characters of the id.
    pub peer: String,
}

/// Hear and answer somebody again; what they wrote meanwhile is shown.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  lanyard unblock @Mallory")]
pub struct Unblock {
    /// @person by name, or first characters of the id.
    pub peer: String,
}
