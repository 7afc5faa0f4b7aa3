//! What the fuzz targets share.

pub mod feed;
pub mod mail;
pub mod node;
