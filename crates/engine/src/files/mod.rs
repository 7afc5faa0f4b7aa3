//! Files: opaque handles, safe names, surveys of what is offered, serving it, and pulling it whole onto the disk.
//!
//! ```text
//! offer:   handle -> survey -> shelf                      (what, from where, for whom: on disk)
//! serve:   holding -> source: read and hash -> frames     (a blocking thread, a few reused buffers, the stream)
//! share:   question -> inside, lent: list or survey -> answer, shelf
//! pull:    frames -> sinks: verify and write -> staging -> final names
//!            ^ swarm: whom to ask for which piece         (lanyard-proto's Fetch)
//! ```
//!
//! For the engine's task:
//!
//! - [`Handles::admit`], [`Handles::path`]: what a window may hold instead of paths.
//! - [`survey`]`(Vec<PathBuf>).await -> Result<Survey, SurveyError>`, with [`Survey::offer`] for the log entry.
//! - [`Shelf::open`]`(profile)`, then [`Shelf::put`]`(transfer, survey, audience).await` before the offer is announced, and
//!   [`Shelf::forget`]`(transfer).await` when it is withdrawn.
//! - [`serve`]`(stream, receiver, shelf, asked, lend, progress, stop).await -> Result<Served, ServeError>` for each accepted
//!   connection, or [`turn_away`]`(stream).await` where there are too many. [`Lend`] decides what is shared with whom.
//! - [`Asker`]: what others share, a page of it, an offer of some of it.
//! - [`pull`]`(wanted, sources, dial, shelf, progress, stop).await -> Result<Received, PullError>`, with
//!   [`PullError::end`] for the node; again to go on after [`PullError::Lost`].
//! - [`discard`]`(transfer, into).await` once what a pull came to is written down, or nothing will come of it.
//!
//! - [`Pasted::keep`]`(transfer, paths)` before an offer is put on the shelf, [`Pasted::forget`] when it is withdrawn.
//!
//! Bytes of other devices' files reach the disk nowhere but in `staging` and `tree`, through a directory handle. [`Fresh`] is for files
//! that this device makes itself.

mod ask;
mod attend;
mod choice;
mod company;
mod comparing;
mod dials;
mod disk;
mod finish;
mod footprint;
mod fresh;
mod handle;
mod hash;
mod here;
mod holding;
mod inside;
mod journal;
mod kept;
mod lately;
mod leaves;
mod lent;
mod link;
mod list;
mod listing;
mod manifest;
mod mark;
mod names;
mod numbered;
mod pages;
mod pasted;
mod place;
mod plan;
mod positions;
mod pull;
mod refusal;
mod serve;
mod shelf;
mod sink;
mod source;
mod staging;
mod stream;
mod swarm;
#[cfg(test)]
mod tests;
mod tree;
mod verify;

pub use ask::{AskError, Asker};
pub use attend::{Lend, Question};
pub use choice::{Choice, ChoiceError};
pub use disk::{Disk, LEAST_TAKEN, Lack, Whose, disk_of, has_room};
pub use footprint::{staged, taken};
pub use fresh::Fresh;
pub use handle::{Handles, MAX_HANDLES, read_path, spelled_path};
pub use lanyard_proto::detour::Way;
pub use lent::Lent;
pub use link::{Dial, Dialled, Told};
pub use listing::{Asked, Contents, Entry, Lists, contents};
pub use manifest::{Survey, SurveyError, survey};
pub use names::shown;
pub use pages::Pages;
pub use pasted::{MAX_PICTURE_BYTES, Pasted};
pub use pull::{Wanted, discard, pull};
pub use serve::{Given, Receiver, ServeError, Served, Verdict, serve, turn_away};
pub use shelf::Shelf;
pub use staging::{PullError, Received, Whole};
