//! A second start of the window hands what it was asked to open to the first one.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use interprocess::local_socket::tokio::{Stream, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio_util::codec::{FramedRead, LinesCodec};

use super::address::Address;
use super::rpc::{self, Told};
use crate::api::ErrorCode;

/// What a window is asked to open; with nothing in it only to come to the front.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presented {
    /// As systems hand them to the program that is registered for `lanyard:`.
    pub links: Vec<String>,
    /// Files and folders, to be offered to somebody.
    pub paths: Vec<String>,
}

/// Asks the window that runs for a profile to show itself. Whether one does: there may be no node, or one without a window.
pub async fn present(profile: &Path, presented: &Presented) -> bool {
    let asked = tokio::time::timeout(PATIENCE, ask(profile, presented)).await;
    asked.ok().flatten().unwrap_or(false)
}

async fn ask(profile: &Path, presented: &Presented) -> Option<bool> {
    let address = Address::of(profile).ok()?;
    let stream = Stream::connect(address.name().ok()?).await.ok()?;
    let (receive, mut send) = tokio::io::split(stream);
    let line = rpc::present_request(1, presented) + "\n";
    send.write_all(line.as_bytes()).await.ok()?;
    send.flush().await.ok()?;
    let mut lines = FramedRead::new(receive, LinesCodec::new_with_max_length(rpc::ANSWER_LINE));
    let line = lines.next().await?.ok()?;
    match rpc::parse_answer(&line)? {
        Told::Answer { result: Ok(_), .. } => Some(true),
        Told::Answer { result: Err(error), .. } if error.code == ErrorCode::NotFound => Some(false),
        Told::Answer { .. } | Told::Event(_) => None,
    }
}

/// A window that does not answer by then is on its way out, or hangs.
const PATIENCE: Duration = Duration::from_secs(5);
