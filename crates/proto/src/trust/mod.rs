//! How people make sure that a key belongs to whom its name says. A name is a claim, and so is an announcement; what
//! TLS proves is a key. Whose key it is two people find out by comparing, apart from this network or over it:
//!
//! ```text
//!   number      sixty digits that both read to each other, at any time
//!   link        the whole key, to be scanned or pasted
//!   comparison  seven emoji that both see at the same moment, if nobody is in between
//! ```
//!
//! What a person decides then is no affair of this module: see [`crate::node::Node::set_trust`].

mod comparison;
mod emoji;
mod link;
mod number;

pub use comparison::{Comparison, End, SAS_LABEL, Side, Stage};
pub use emoji::{EMOJI, Emoji};
pub use link::{BadLink, link, read_link};
pub use number::{DIGITS, safety_number};
