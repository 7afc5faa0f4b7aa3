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
//! - [`serve`]`(stream, peer, shelf, progress, stop).await -> Result<Served, ServeError>` for each accepted connection.
//! - [`pull`]`(stream, transfer, &offer, into, progress, stop).await -> Result<Received, PullError>`, with
//!   [`PullError::end`] for the node; again with a new stream to go on after [`PullError::Lost`].
//! - [`discard`]`(transfer, into).await` throws away what a pull staged.
//!
//! Names and bytes of other devices reach the disk nowhere but in `staging`, through a directory handle.

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

pub use handle::{Handles, MAX_HANDLES};
pub use manifest::{Survey, SurveyError, survey};
pub use names::shown;
pub use pull::{discard, pull};
pub use serve::{ServeError, Served, serve};
pub use shelf::Shelf;
pub use staging::{PullError, Received};
