//! How a person is shown beside the name: a colour and an emoji. As the name it is a claim, and no proof of anything.

use crate::model::PeerId;
use crate::wire::text::emoji;

/// What stands for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    color: u8,
    emoji: String,
}

impl Avatar {
    /// `None` if there is no such colour, or it is not one emoji as [`emoji`] has it.
    pub fn new(color: u8, face: &str) -> Option<Avatar> {
        let face = emoji(face)?;
        (color < COLORS).then_some(Avatar { color, emoji: face })
    }

    /// Of a device whose person chose none: always the same, and seldom that of another one.
    pub fn of(peer: PeerId) -> Avatar {
        let PeerId([color, face, ..]) = peer;
        let face = FACES[usize::from(face) % FACES.len()];
        Avatar { color: color % COLORS, emoji: face.to_owned() }
    }

    /// Which of the [`COLORS`] it is.
    pub fn color(&self) -> u8 {
        self.color
    }

    /// One, safe to show.
    pub fn emoji(&self) -> &str {
        &self.emoji
    }
}

/// Colours that there are: so many can be told from each other, and all bear white text.
pub const COLORS: u8 = 8;

/// For whoever chose none. Animals have no meaning that somebody would not want to be shown with.
const FACES: [&str; 32] = [
    "🦊", "🐼", "🐙", "🦉", "🐢", "🦁", "🐝", "🐳", "🦄", "🐸", "🐧", "🦋", "🐨", "🐯", "🐰", "🐻", "🐱",
    "🐶", "🦔", "🐬", "🐞", "🦜", "🐊", "🐘", "🦒", "🐿️", "🦀", "🐌", "🦩", "🦥", "🐮", "🐔",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::identity::Identity;

    #[test]
    fn who_chose_nothing_looks_the_same_everywhere_and_different_from_others() {
        let people: Vec<PeerId> = (0..40).map(|n| Identity::from_seed(&[n; 32]).peer_id()).collect();
        let looks: BTreeSet<(u8, String)> = people
            .iter()
            .map(|peer| {
                let avatar = Avatar::of(*peer);
                assert_eq!(Avatar::of(*peer), avatar);
                (avatar.color, avatar.emoji)
            })
            .collect();
        assert!(looks.len() >= 35, "{} looks of 40 people", looks.len());
    }

    #[test]
    fn every_face_is_one_that_a_person_could_have_chosen() {
        let faces: BTreeSet<&str> = FACES.into_iter().collect();
        assert_eq!(faces.len(), FACES.len());
        for face in FACES {
            assert_eq!(Avatar::new(0, face).expect("an emoji").emoji(), face);
        }
    }

    #[test]
    fn an_avatar_is_one_colour_of_the_palette_and_one_emoji() {
        assert!(Avatar::new(COLORS - 1, "👩🏽\u{200D}💻").is_some());
        assert_eq!(Avatar::new(COLORS, "🦊"), None);
        for face in ["", "A", "🦊🦊", "ok", "\u{202E}"] {
            assert_eq!(Avatar::new(0, face), None, "{face:?}");
        }
    }
}
