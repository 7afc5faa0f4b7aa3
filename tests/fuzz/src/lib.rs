//! What the fuzz targets share.

pub mod feed;
mod frames;
pub mod mail;
pub mod node;
