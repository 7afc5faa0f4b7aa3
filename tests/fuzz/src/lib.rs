//! What the fuzz targets share.

pub mod feed;
pub mod node;
