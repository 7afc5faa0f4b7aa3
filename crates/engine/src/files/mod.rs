//! Files: opaque handles, safe names, surveys of what is offered, serving it, and pulling it whole onto the disk.
//!
//! ```text
//! offer:   handle -> survey -> shelf            (what, from where, for whom: on disk)
//! serve:   shelf  -> read and hash  -> frames   (a blocking thread, a few reused buffers, the stream)
//! pull:    frames -> verify and write -> staging -> final names
//! ```
//!
//! For the engine's task:
//!
//! - [`Handles::admit`], [`Handles::path`]: what a window may hold instead of paths.
//! - [`survey`]`(Vec<PathBuf>).await -> Result<Survey, SurveyError>`, with [`Survey::offer`] for the log entry.
//! - [`Shelf::open`]`(profile)`, then [`Shelf::put`]`(transfer, survey, audience).await` before the offer is announced, and
//!   [`Shelf::forget`]`(transfer).await` when it is withdrawn.
//! - [`serve`]`(stream, peer, shelf, asked, progress, stop).await -> Result<Served, ServeError>` for each accepted
//!   connection, or [`turn_away`]`(stream).await` where there are too many.
//! - [`pull`]`(stream, transfer, &offer, into, progress, stop).await -> Result<Received, PullError>`, with
//!   [`PullError::end`] for the node; again with a new stream to go on after [`PullError::Lost`].
//! - [`discard`]`(transfer, into).await` once what a pull came to is written down, or nothing will come of it.
//!
//! Bytes of other devices' files reach the disk nowhere but in `staging`, through a directory handle. [`Fresh`] is for files
//! that this device makes itself.

mod fresh;
mod handle;
mod hash;
mod journal;
mod manifest;
mod names;
mod place;
mod plan;
mod pull;
mod serve;
mod shelf;
mod source;
mod staging;
mod stream;
#[cfg(test)]
mod tests;

pub use fresh::Fresh;
pub use handle::{Handles, MAX_HANDLES};
pub use manifest::{Survey, SurveyError, survey};
pub use names::shown;
pub use pull::{discard, pull};
pub use serve::{ServeError, Served, Verdict, serve, turn_away};
pub use shelf::Shelf;
pub use staging::{PullError, Received};
