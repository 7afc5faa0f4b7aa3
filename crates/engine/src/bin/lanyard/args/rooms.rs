//! The words about rooms.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use crate::text;

#[derive(Debug, Subcommand)]
pub enum RoomVerb {
    /// Take part in an open room, which anyone on this network can read; or come into a private one by an invite.
    #[command(
        after_help = "Examples:\n  lanyard room join design\n  lanyard room join lanyard:v1:inv:aebagbaf…"
    )]
    Join {
        /// Its name, with or without '#', or an invite.
        name: String,
        /// With an invite: wait so many seconds until somebody has let us in.
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u32>,
    },
    /// Make a room: an open one, the same as joining it first, or a private one.
    #[command(after_help = "Examples:\n  lanyard room create design\n  lanyard room create --private Board")]
    Create {
        /// Its name, with or without '#'.
        name: String,
        /// Only those who are let in can read it.
        #[arg(long)]
        private: bool,
    },
    /// Leave a room.
    #[command(after_help = "Example:\n  lanyard room leave design")]
    Leave {
        /// Its name, with or without '#', or the first eight or more characters of its id.
        room: String,
    },
    /// Make an invite to a private room: whoever has the link comes in.
    #[command(
        after_help = "Examples:\n  lanyard room invite Board --hours 24 --qr\n  lanyard room invite Board --list\n  \
                      lanyard room invite Board --revoke 5ab0"
    )]
    Invite {
        /// Its name, with or without '#', or the first eight or more characters of its id.
        room: String,
        /// For how long it holds; a week if nothing is said.
        #[arg(long, value_name = "N")]
        hours: Option<u32>,
        /// Show it as a QR code, too.
        #[arg(long, conflicts_with_all = ["list", "revoke"])]
        qr: bool,
        /// Show the invites that hold, and make none.
        #[arg(long, conflicts_with = "hours")]
        list: bool,
        /// Let one hold no longer, by the first characters of its id.
        #[arg(long, value_name = "ID", conflicts_with_all = ["hours", "list"])]
        revoke: Option<String>,
    },
    /// Who is in a room.
    #[command(after_help = "Example:\n  lanyard room members Board")]
    Members {
        /// Its name, with or without '#', or the first eight or more characters of its id.
        room: String,
    },
    /// Let somebody into a private room.
    #[command(after_help = "Example:\n  lanyard room add Board @Ann")]
    Add {
        /// Its name, with or without '#', or the first eight or more characters of its id.
        room: String,
        /// @person by name, or first characters of the id.
        peer: String,
    },
    /// Put somebody out of a private room, and change its keys.
    #[command(after_help = "Example:\n  lanyard room remove Board @Ann")]
    Remove {
        /// Its name, with or without '#', or the first eight or more characters of its id.
        room: String,
        /// @person by name, or first characters of the id.
        peer: String,
    },
    /// Make a member of a private room an admin, or an admin a member.
    #[command(after_help = "Example:\n  lanyard room role Board @Ann admin")]
    Role {
        /// Its name, with or without '#', or the first eight or more characters of its id.
        room: String,
        /// @person by name, or first characters of the id.
        peer: String,
        /// What the person is from now on.
        #[arg(value_enum)]
        role: MemberRole,
    },
    /// Change the keys of a private room.
    #[command(after_help = "Example:\n  lanyard room renew Board")]
    Renew {
        /// Its name, with or without '#', or the first eight or more characters of its id.
        room: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MemberRole {
    /// Lets others in and puts them out, invites, renews keys.
    Admin,
    /// Reads and writes.
    Member,
}

#[derive(Debug, ClapArgs)]
pub struct Retention {
    /// '#room' or @person: only there. Without, wherever nothing else was chosen.
    pub to: Option<String>,
    /// For how many days; 0 means for ever.
    #[arg(long, value_name = "N")]
    pub days: Option<u32>,
    /// How much in all rooms together at the most: 500MB, 2GB.
    #[arg(long, value_name = "SIZE", value_parser = text::rate, conflicts_with = "to")]
    pub size: Option<u64>,
    /// In this room as long as everywhere.
    #[arg(long, requires = "to", conflicts_with = "days")]
    pub default: bool,
}
