//! A build without sound: it tells of calls, and takes part in none.

use lanyard_proto::model::PeerId;

use super::Heard;
use crate::api::{Command, ErrorCode, Sentence};
use crate::engine::commands::To;
use crate::engine::handle::Shell;
use crate::engine::run::Run;
use crate::says;
use crate::store::{Settings, StoreError};

/// Nothing is heard or said.
#[derive(Default)]
pub struct Talking;

/// Nothing takes long.
pub enum CallReport {}

impl Talking {
    pub fn is_on(&self) -> bool {
        false
    }

    pub fn is_of(&self, _shell: Shell) -> bool {
        false
    }

    pub fn close(&mut self) {}

    pub(super) fn sent(&self) -> (u64, u64) {
        (0, 0)
    }

    pub(super) fn trouble(&self) -> Vec<Sentence> {
        Vec::new()
    }

    pub(super) fn heard(&self, _peer: PeerId, _me: bool) -> Option<Heard> {
        None
    }
}

impl Run {
    pub fn ask_of_calls(&mut self, _command: Command, to: To) {
        // Whoever asked may be gone.
        let _ = to.send(Err(says!(ErrorCode::Refused, "This build of Lanyard cannot make calls.")));
    }

    pub async fn call_report(&mut self, report: CallReport) -> Result<(), StoreError> {
        match report {}
    }

    pub async fn listen(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) fn tune(&mut self) {}

    pub fn call_interfaces_changed(&self) {}

    pub(super) fn use_devices(&mut self, _before: &Settings) {}
}

/// Never comes to anything.
pub const TALK: std::time::Duration = std::time::Duration::from_secs(3600);
