//! Calls, as user interfaces ask for them.

use crate::api::{ApiError, Call, Command, ErrorCode, Reply};
use crate::engine::commands::Outcome;
use crate::engine::run::Run;
use crate::says;

impl Run {
    pub async fn call_command(&mut self, command: Command) -> Result<Outcome, ApiError> {
        match command {
            Command::Calls {} => Ok(Outcome::Now(Reply::Calls(self.calls()))),
            _ => Err(says!(ErrorCode::Refused, "This build of Lanyard cannot make calls.")),
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        Vec::new()
    }
}
