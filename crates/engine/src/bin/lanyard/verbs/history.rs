//! `lanyard export`, `lanyard topic`.

use std::path::PathBuf;

use lanyard_engine::api::{ApiError, Command, ExportFormat, Reply, Room};
use lanyard_engine::control::Node;

use super::{ask, call_when_found, misunderstood};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text;

pub async fn export(
    node: &Node,
    out: Output,
    to: String,
    html: bool,
    into: Option<PathBuf>,
) -> Result<(), Failure> {
    let format = match (html, out) {
        (true, _) => ExportFormat::Html,
        (false, Output::Program) => ExportFormat::Json,
        (false, Output::Person) => {
            return Err(Failure::new(Exit::WrongUse, "Say which: --html or --json."));
        }
    };
    let folder = std::path::absolute(into.unwrap_or_else(|| PathBuf::from(".")))?;
    let Some(path) = folder.to_str().map(str::to_owned) else {
        return Err(Failure::new(Exit::WrongUse, "The folder's name is not readable text."));
    };
    let _: Room = ask!(call_when_found(node, Command::Find { to: to.clone() }) => Room)?;
    let handles = ask!(node.call(Command::Admit { paths: vec![path] }) => Handles)?;
    let handle = handles.into_iter().next().ok_or_else(misunderstood)?;
    let exported = ask!(node.call(Command::Export { to, format, into: handle.handle }) => Exported)?;
    out.item(&exported, |exported| {
        let messages = text::count(exported.messages, "message", "messages");
        format!("{messages} in {}", text::line(&folder.join(&exported.file).display().to_string()))
    })
}

pub async fn set_topic(node: &Node, out: Output, to: String, topic: String) -> Result<(), Failure> {
    let room: Room = ask!(call_when_found(node, Command::Open { to }) => Room)?;
    let room: Room = ask!(node.call(Command::SetTopic { room: room.id, topic }) => Room)?;
    if node.is_ours() {
        tokio::time::sleep(super::LINGER).await;
    }
    if out == Output::Program {
        out.item(&room, |room| text::line(&room.topic))?;
    }
    Ok(())
}
