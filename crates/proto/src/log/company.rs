//! Who else is in a room, and how often that makes a device say what it holds.

use std::time::Duration;

/// Who else is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    Nobody,
    /// Devices that were not heard in this room.
    Strangers,
    /// So many that take part, this one included.
    Members(usize),
}

impl Company {
    pub fn digest_interval(self) -> Duration {
        match self {
            Company::Members(group) => {
                (Duration::from_millis(500) * group as u32).clamp(MIN_DIGEST_INTERVAL, MAX_DIGEST_INTERVAL)
            }
            Company::Strangers | Company::Nobody => STRANGERS_DIGEST_INTERVAL,
        }
    }
}

/// About two digests a second in a whole room.
pub const MIN_DIGEST_INTERVAL: Duration = Duration::from_secs(5);
const MAX_DIGEST_INTERVAL: Duration = Duration::from_secs(300);
/// In a room where nobody else was heard.
const STRANGERS_DIGEST_INTERVAL: Duration = Duration::from_secs(20);
