//! What the fuzz targets share.

mod carry;
pub mod feed;
mod frames;
pub mod mail;
pub mod node;
