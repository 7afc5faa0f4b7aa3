//! What a person is told of by the system while they look elsewhere.

use serde::{Deserialize, Serialize};

/// What a person chose for all conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Notifications {
    /// Nothing is told until it is switched off again.
    pub do_not_disturb: bool,
    /// Notifications show what was written, and not only by whom.
    pub previews: bool,
    /// Of rooms without a level of their own. All is told of direct conversations without one.
    pub rooms: NotifyLevel,
}

impl Default for Notifications {
    fn default() -> Notifications {
        Notifications { do_not_disturb: false, previews: true, rooms: NotifyLevel::All }
    }
}

/// What is told of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum NotifyLevel {
    All,
    /// Only what mentions us or answers us.
    Mentions,
    None,
}
