//! What the fuzz targets share.

mod carry;
pub mod feed;
pub mod files;
mod frames;
pub mod mail;
pub mod node;
pub mod voices;
/// Of the window's shell.
#[path = "../../../src-tauri/src/picture.rs"]
pub mod picture;
/// In which the engine's files say what is wrong.
#[path = "../../../crates/engine/src/saying.rs"]
pub mod saying;
