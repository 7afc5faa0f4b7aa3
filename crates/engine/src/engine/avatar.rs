//! How people are shown: as they chose, or else by their device key.

use lanyard_proto::model::PeerId;
use lanyard_proto::wire::avatar;

use crate::api::{ApiError, Avatar};
use crate::engine::commands::invalid;
use crate::engine::run::Run;
use crate::saying;

impl Run {
    pub fn avatar_of(&self, id: PeerId) -> Avatar {
        let chosen = match id == self.node.me() {
            true => self.node.profile().avatar.clone(),
            false => self.node.presence().peer(id).and_then(|record| record.avatar.clone()),
        };
        let avatar = chosen.unwrap_or_else(|| avatar::Avatar::of(id));
        Avatar { color: avatar.color(), emoji: avatar.emoji().to_owned() }
    }
}

/// What a person chose.
///
/// # Errors
/// `Invalid` if it is no colour of the palette, or not one emoji.
pub fn chosen_avatar(avatar: &Avatar) -> Result<avatar::Avatar, ApiError> {
    avatar::Avatar::new(avatar.color, &avatar.emoji)
        .ok_or_else(|| invalid(saying!("An avatar is one of eight colours and one emoji.")))
}
