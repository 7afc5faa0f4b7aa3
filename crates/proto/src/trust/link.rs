//! The link that says which key a device has: what a QR code shows, and what people paste.

use crate::model::PeerId;

/// What is wrong with a text that should be such a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    #[error("the link of a device begins with {PREFIX}")]
    NoLink,
    #[error("the link is not complete, or mistyped")]
    Damaged,
}

/// `lanyard:v1:id:`, the key in base32 and four check characters.
pub fn link(peer: PeerId) -> String {
    let digits: String = peer.spelled().chars().filter(|c| *c != ' ').collect();
    format!("{PREFIX}{}", digits.to_lowercase())
}

/// Reads [`link`], whatever the case, with blanks and line ends in it.
///
/// # Errors
/// What is wrong with it.
pub fn read_link(text: &str) -> Result<PeerId, BadLink> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let start = text.get(..PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(PREFIX));
    start.ok_or(BadLink::NoLink)?;
    PeerId::parse(&text[PREFIX.len()..]).ok_or(BadLink::Damaged)
}

const PREFIX: &str = "lanyard:v1:id:";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_link_says_the_whole_key_however_it_was_wrapped() {
        let ann = Identity::from_seed(&[1; 32]).peer_id();
        let link = link(ann);
        assert_eq!(link.len(), PREFIX.len() + 56);
        for text in [link.clone(), link.to_uppercase(), format!(" {} {}\n", &link[..30], &link[30..])] {
            assert_eq!(read_link(&text), Ok(ann), "{text}");
        }
        assert_eq!(read_link(&format!("{PREFIX}{ann}")), Ok(ann), "without check characters, too");
    }

    #[test]
    fn what_is_no_link_is_told_from_one_that_is_damaged() {
        let link = link(Identity::from_seed(&[1; 32]).peer_id());
        let wrong = if link.ends_with('a') { "b" } else { "a" };
        let mistyped = format!("{}{wrong}", &link[..link.len() - 1]);
        for (text, error) in [
            ("", BadLink::NoLink),
            ("lanyard:v1:inv:aebagbaf", BadLink::NoLink),
            ("https://example.org", BadLink::NoLink),
            (&link[..40], BadLink::Damaged),
            (&mistyped, BadLink::Damaged),
        ] {
            assert_eq!(read_link(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = read_link(&text);
            let _ = read_link(&format!("{PREFIX}{text}"));
        }
    }
}
