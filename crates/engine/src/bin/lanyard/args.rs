//! The words of the command line.

mod call;
mod network;
mod notify;
mod rooms;
mod transfers;
mod trust;

use std::path::PathBuf;

use crate::text;
use clap::{ArgAction, ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use lanyard_engine::config::{AcceptRule, DEFAULT_PORT, Multicast};

pub use call::Call;
pub use network::Interfaces;
pub use notify::Notify;
pub use rooms::{MemberRole, Retention, RoomVerb};
pub use transfers::{Accepting, Get, Limits};

pub use trust::{Block, Unblock, Verify};

/// Everyone on your network: who is there, rooms, messages and files, without a server.
///
/// A command talks to the node that is running for the profile (a window or `lanyard up`), or starts one for its own
/// duration.
#[derive(Debug, Parser)]
#[command(name = "lanyard", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Args {
    /// Folder of the profile: the key, the messages and the settings of this device.
    #[arg(long, global = true, value_name = "DIR")]
    pub profile: Option<PathBuf>,

    /// Print one JSON object a line.
    #[arg(long, global = true)]
    pub json: bool,

    /// Only see devices that were started with the same name of a network. It is a filter, not a secret.
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub network: String,

    /// Say more on standard error; repeat for more still. LANYARD_LOG=debug does the same.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a node until Ctrl-C, printing what happens.
    #[command(
        after_help = "Examples:\n  lanyard up --name 'Build server' --accept any --downloads /srv/incoming\n  \
                      lanyard up --relay --name 'Relay, 2nd floor'"
    )]
    Up(Up),
    /// This device and its network.
    #[command(
        after_help = "Examples:\n  lanyard status\n  lanyard status --settled     after a copy of this profile was ended"
    )]
    Status {
        /// No copy of this profile runs any more: forget that there was one.
        #[arg(long)]
        settled: bool,
    },
    /// Find out what is in the way on this network, by asking those who can be reached, and what to do about it.
    ///
    /// Exits with 1 if something is. Nothing outside of the networks that this device uses is contacted.
    #[command(
        after_help = "Examples:\n  lanyard doctor\n  lanyard doctor --json | jq -r '.verdicts[].cause'"
    )]
    Doctor,
    /// Which network interfaces are used, and when one is.
    #[command(
        after_help = "Examples:\n  lanyard network\n  lanyard network wlan0 never     nothing goes over it from now on\n  \
                      lanyard network tun0 always     a VPN, too\n  lanyard network wlan0 auto\n\n\
                      The choice is kept. For one run only: lanyard up --interface IF"
    )]
    Network(Interfaces),
    /// Who is on the network.
    #[command(
        after_help = "Examples:\n  lanyard peers --wait 5      exits with 3 if nobody comes within 5 seconds\n  \
                            lanyard --json peers --watch"
    )]
    Peers {
        /// Wait until somebody is there, for so many seconds at the most.
        #[arg(long, value_name = "SECONDS", conflicts_with = "watch")]
        wait: Option<u32>,
        /// Go on telling who comes and goes until Ctrl-C.
        #[arg(long)]
        watch: bool,
    },
    /// The rooms that this device is in, with what is unread there.
    #[command(
        after_help = "Examples:\n  lanyard rooms\n  lanyard rooms --all     open rooms that others are in, too"
    )]
    Rooms {
        /// Also the open rooms that others on this network speak of; with --json those, and whether this device is in.
        #[arg(long)]
        all: bool,
    },
    /// Mark everything in a room or conversation as read.
    #[command(after_help = "Examples:\n  lanyard read '#design'\n  lanyard read --all")]
    Read {
        /// '#room' or @person.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        to: Option<String>,
        /// In all of them.
        #[arg(long)]
        all: bool,
    },
    /// Show or choose for how long what was said is kept, and how much of it; and show what all takes of the disk.
    #[command(after_help = "Examples:\n  lanyard retention\n  lanyard retention --days 90 --size 2GB\n  \
                      lanyard retention '#design' --days 7\n  lanyard retention '#design' --default")]
    Retention(Retention),
    /// Join, leave or make a room.
    #[command(subcommand)]
    Room(RoomVerb),
    /// Write a message, or do something with one.
    #[command(
        after_help = "Examples:\n  lanyard say '#lobby' 'The build is up'\n  lanyard say @Ann 'Lunch?'\n  \
                            make 2>&1 | tail -20 | lanyard say '#build' -\n  \
                            lanyard say '#lobby' --reply 3fa9c01b 'Yes, at noon'\n  \
                            lanyard say '#lobby' --react 3fa9c01b 👍\n  \
                            lanyard say '#lobby' --delete 3fa9c01b\n  \
                            lanyard say '#lobby' --wait=10 'Fire drill' || echo 'not everybody here has it'\n\n\
                            Messages are meant by the first characters of their ids: lanyard log TO --ids"
    )]
    Say(Say),
    /// Read what was said.
    #[command(after_help = "Examples:\n  lanyard log '#lobby' --limit 20 --ids\n  \
                            lanyard log '#lobby' --since 2h\n  lanyard log @Ann --since 2026-11-20 --limit 20\n  \
                            lanyard log '#build' --since 2d --search 'warning gcc' --follow\n  lanyard --json log @Ann --follow\n\n\
                            With --follow a message that changed is printed again, under the same id.")]
    Log(Log),
    /// Look for messages by their words, in all rooms or in one; newest first.
    #[command(
        after_help = "Examples:\n  lanyard search invoice\n  lanyard search 会议 --in '#design' --from @Ann"
    )]
    Search {
        /// Words that a message contains, or beginnings of them.
        words: String,
        /// Only in this room or conversation.
        #[arg(long = "in", value_name = "TO")]
        to: Option<String>,
        /// Only what this person wrote.
        #[arg(long, value_name = "WHO")]
        from: Option<String>,
        /// So many of the latest.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Write the whole history of a room into a new file.
    #[command(
        after_help = "Examples:\n  lanyard export '#design' --html\n  lanyard export @Ann --json --into ~/Documents"
    )]
    Export {
        /// '#room' or @person.
        to: String,
        /// One page to read and print. With --json the file is one JSON object with all messages instead.
        #[arg(long)]
        html: bool,
        /// Folder for the file, instead of the present one.
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
    /// Say what a room is about.
    #[command(after_help = "Example:\n  lanyard topic '#design' 'The new logo, until Friday'")]
    Topic {
        /// '#room' or @person.
        to: String,
        /// The topic; empty for none.
        text: String,
    },
    /// Offer files and folders.
    #[command(after_help = "Examples:\n  lanyard send @Ann report.pdf photos/\n  \
                            lanyard send '#build' setup.exe --wait && echo 'everybody has it'\n  \
                            lanyard --json send @Ann film.mkv --wait=600     a line whenever it came further; 5 if it took longer\n\n\
                            Of permissions only travels whether a file can be run.")]
    Send {
        /// '#room' or @person.
        to: String,
        /// Files and folders.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// End only when every receiver has a verified copy, after so many seconds at the most if they are given.
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
        wait: Option<Option<u32>>,
    },
    /// What others offer to this device.
    #[command(after_help = "Example:\n  lanyard offers")]
    Offers,
    /// Fetch what was offered, and wait until it is here.
    #[command(after_help = "Examples:\n  lanyard accept k3vq7m2a --into ~/Documents\n  \
                      lanyard accept k3vq7m2a --only photos/2026 --only notes.txt\n  \
                      lanyard accept k3vq7m2a --wait=60     exits with 5 if it takes longer; it goes on in the node\n\n\
                      Unlike send, get and resume it waits without being told to: --no-wait returns at once.")]
    Accept(Accepting),
    /// What is in an offer, and where each file of it stands.
    #[command(after_help = "Example:\n  lanyard files k3vq7m2a")]
    Files {
        /// The transfer, by its id as it is listed.
        id: String,
    },
    /// Say no to an offer.
    #[command(after_help = "Example:\n  lanyard decline k3vq7m2a")]
    Decline {
        /// The offer, by its id as it is listed.
        id: String,
    },
    /// Let others look into a folder and fetch from it, and change nothing.
    #[command(
        after_help = "Examples:\n  lanyard share ~/Music                         with everybody on the network\n  \
                      lanyard share ~/plans --name Plans --with '#board' \n  \
                      lanyard share ~/photos --with @Ann --with @Bob\n  lanyard share --list\n  \
                      lanyard share --remove Plans\n\n\
                      A folder that is shared already is called and shared otherwise from then on. Hidden files and links \
                      in it are seen by nobody."
    )]
    Share(Share),
    /// What somebody shares, and what is in it.
    #[command(
        after_help = "Examples:\n  lanyard browse @Ann\n  lanyard browse @Ann photos\n  lanyard browse @Ann photos/2026/May"
    )]
    Browse {
        /// @person by name, or first characters of the id.
        peer: String,
        /// A shared folder by its name or id, and a folder in it.
        #[arg(value_name = "SHARE[/FOLDER]")]
        at: Option<String>,
    },
    /// Fetch a file or folder that somebody shares.
    #[command(
        after_help = "Examples:\n  lanyard get @Ann photos/2026 --into ~/Pictures --wait\n  lanyard get @Ann photos"
    )]
    Get(Get),
    /// Running and finished transfers.
    #[command(after_help = "Example:\n  lanyard transfers --watch")]
    Transfers {
        /// Go on showing them until Ctrl-C.
        #[arg(long)]
        watch: bool,
    },
    /// Stop a transfer, or withdraw an offer.
    #[command(after_help = "Example:\n  lanyard cancel k3vq7m2a")]
    Cancel {
        /// The transfer, by its id as it is listed.
        id: String,
    },
    /// Neither fetch a transfer nor give an offer, until it is resumed.
    #[command(after_help = "Example:\n  lanyard pause k3vq7m2a")]
    Pause {
        /// The transfer, by its id as it is listed.
        id: String,
    },
    /// Go on with what was paused; fetch what is missing of what failed or was cancelled.
    #[command(after_help = "Examples:\n  lanyard resume k3vq7m2a\n  lanyard resume k3vq7m2a --wait")]
    Resume {
        /// The transfer, by its id as it is listed.
        id: String,
        /// End only when it is here, after so many seconds at the most if they are given.
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
        wait: Option<Option<u32>>,
    },
    /// Let a transfer start before another one, or last.
    #[command(after_help = "Examples:\n  lanyard reorder k3vq7m2a --before 4b81\n  lanyard reorder k3vq7m2a")]
    Reorder {
        /// The transfer, by its id as it is listed.
        id: String,
        /// The one that it is to start before.
        #[arg(long, value_name = "ID")]
        before: Option<String>,
    },
    /// Take transfers that are over out of the history. Files stay where they are.
    #[command(after_help = "Examples:\n  lanyard forget k3vq7m2a\n  lanyard forget --all")]
    Forget {
        /// The transfer, by its id as it is listed.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All that are over.
        #[arg(long)]
        all: bool,
    },
    /// Show or choose how fast files move, and how many transfers at a time.
    #[command(
        after_help = "Examples:\n  lanyard limits\n  lanyard limits --up 2MB --down 10MB\n  lanyard limits --up none --at-once 1\n  \
                            lanyard limits --relay off"
    )]
    Limits(Limits),
    /// Talk in a room or with a person: begins a call, or joins the one that is on.
    #[command(
        after_help = "Examples:\n  lanyard call @Ann\n  lanyard call '#design' --audio question.wav --record answer.wav --for 60\n  \
                      arecord -t raw -f S16_LE -r 48000 -c 1 | lanyard call '#design' --audio -\n  \
                      lanyard call --list\n  lanyard call @Ann --decline\n\n\
                      Whoever calls a person waits for 45 seconds: 4 if it is declined, 5 if nobody answers."
    )]
    Call(Call),
    Verify(Verify),
    Block(Block),
    Unblock(Unblock),
    /// What the window tells of while one looks elsewhere.
    #[command(
        after_help = "Examples:\n  lanyard notify --do-not-disturb on\n  lanyard notify '#build' mentions"
    )]
    Notify(Notify),
    /// Write the manual and what shells complete into a folder. Packages bring them along.
    #[command(after_help = "Example:\n  lanyard manual ~/.local/share/lanyard-manual")]
    Manual {
        /// The folder; made if missing.
        into: PathBuf,
    },
}

#[derive(Debug, ClapArgs)]
pub struct Up {
    /// The name that others see.
    #[arg(long)]
    pub name: Option<String>,
    /// Folder for what is received.
    #[arg(long, value_name = "DIR")]
    pub downloads: Option<PathBuf>,
    /// Which offers are fetched without asking. Of those that nobody verified, each fills half of the room in a day at the most.
    #[arg(long, value_enum, default_value_t = Accept::Never)]
    pub accept: Accept,
    /// With --accept: larger offers wait for a person all the same, as 500MB or 2GB.
    #[arg(long, value_name = "SIZE", value_parser = text::rate)]
    pub accept_limit: Option<u64>,
    /// A device to reach by address, where multicast does not pass: host, host:port, ip or ip:port. Repeatable.
    #[arg(long = "peer", value_name = "ADDR")]
    pub peers: Vec<String>,
    /// In this run use only this network interface, whatever was chosen. Repeatable.
    #[arg(long = "interface", value_name = "IF")]
    pub interfaces: Vec<String>,
    /// Neither send nor listen to multicast; devices are then reached by --peer only.
    #[arg(long)]
    pub no_multicast: bool,
    /// Serve all others, always on: take part in every open room that is heard of, keep what is said there and mail, and pass on
    /// between devices that cannot reach each other.
    #[arg(long)]
    pub relay: bool,
    /// UDP and TCP port.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PORT)]
    pub port: u16,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("what").args(["edit", "delete", "react", "unreact", "pin", "unpin", "reply"]))]
pub struct Say {
    /// '#room' (quoted, or the shell takes it for a comment), or @person by name or first characters of the id. With
    /// --edit, --delete, --react and --pin it is where the message is.
    pub to: String,
    /// What to say; - reads it from standard input. @Name in it mentions somebody.
    #[arg(
        required_unless_present_any = ["delete", "react", "unreact", "pin", "unpin"],
        conflicts_with_all = ["delete", "react", "unreact", "pin", "unpin"]
    )]
    pub text: Option<String>,
    /// Answer a message.
    #[arg(long, value_name = "ID")]
    pub reply: Option<String>,
    /// Let an own message say something else.
    #[arg(long, value_name = "ID")]
    pub edit: Option<String>,
    /// Take a message back: it is hidden on every device that hears of it.
    #[arg(long, value_name = "ID")]
    pub delete: Option<String>,
    /// Put an emoji on a message.
    #[arg(long, num_args = 2, value_names = ["ID", "EMOJI"])]
    pub react: Option<Vec<String>>,
    /// Take it off again.
    #[arg(long, num_args = 2, value_names = ["ID", "EMOJI"])]
    pub unreact: Option<Vec<String>>,
    /// Pin a message for everybody in the room.
    #[arg(long, value_name = "ID")]
    pub pin: Option<String>,
    /// Unpin it.
    #[arg(long, value_name = "ID")]
    pub unpin: Option<String>,
    /// End only when everybody of the room who is here has it (the message, the edit, or that it is taken back), after so
    /// many seconds at the most. Devices say what they have every 2 to 8 seconds where few are here: allow for 10.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        conflicts_with_all = ["react", "unreact", "pin", "unpin"]
    )]
    pub wait: Option<u32>,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("sharing").args(["path", "list", "remove"]).required(true))]
pub struct Share {
    /// The folder.
    pub path: Option<PathBuf>,
    /// What others see it as, instead of the folder's own name.
    #[arg(long, conflicts_with_all = ["list", "remove"])]
    pub name: Option<String>,
    /// Only those who are in a room ('#room'), or a person (@person, repeatable), instead of everybody on the network.
    #[arg(long = "with", value_name = "WHO", conflicts_with_all = ["list", "remove"])]
    pub with: Vec<String>,
    /// Show what is shared.
    #[arg(long)]
    pub list: bool,
    /// Share one no longer, by its name or the first characters of its id.
    #[arg(long, value_name = "ID")]
    pub remove: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct Log {
    /// '#room' or @person.
    pub to: String,
    /// Go on with what is said and changed from now on, until Ctrl-C.
    #[arg(long)]
    pub follow: bool,
    /// So many of the latest messages; 50 if neither this nor --since is given.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Everything from then on: 2h or 3d ago, a time of today (14:30), a date, or a date and time (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only messages that contain these words.
    #[arg(long, value_name = "WORDS", conflicts_with = "pins")]
    pub search: Option<String>,
    /// Only what is pinned, the latest first.
    #[arg(long, conflicts_with = "follow")]
    pub pins: bool,
    /// Print the beginning of each id, by which other commands mean a message.
    #[arg(long)]
    pub ids: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accept {
    /// None.
    Never,
    /// Those of people whose key was compared.
    Verified,
    /// All: anyone on the network can then put files into the download folder.
    Any,
}

impl From<Accept> for AcceptRule {
    fn from(accept: Accept) -> AcceptRule {
        match accept {
            Accept::Never => AcceptRule::Never,
            Accept::Verified => AcceptRule::Verified,
            Accept::Any => AcceptRule::Any,
        }
    }
}

impl Up {
    pub fn multicast(&self) -> Multicast {
        if self.no_multicast { Multicast::Off } else { Multicast::On }
    }
}

impl Verb {
    /// Whether Ctrl-C is how it ends, and not a failure.
    pub fn runs_until_interrupted(&self) -> bool {
        matches!(
            self,
            Verb::Up(_)
                | Verb::Peers { watch: true, .. }
                | Verb::Log(Log { follow: true, .. })
                | Verb::Transfers { watch: true }
                | Verb::Call(Call { list: false, decline: false, .. })
        )
    }
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed (also: no such room, message, transfer, shared folder or file), \
                          2 wrong use, 3 nobody there, 4 refused, 5 timed out.";

#[cfg(test)]
mod tests;
