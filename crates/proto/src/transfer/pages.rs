//! Leaves that the author has signed, so that they can be believed from anybody.

use crate::identity::{self, Identity, Purpose};
use crate::model::PeerId;

/// Signs a page of leaves of the offer with this manifest. `leaves` are all of the page, one behind the other, with
/// [`crate::transfer::NO_LEAF`] where a file could not be read.
pub fn sign_page(author: &Identity, manifest: &[u8; 32], page: u32, leaves: &[u8]) -> [u8; 64] {
    author.sign(Purpose::Leaves, &[manifest, &page.to_be_bytes(), leaves])
}

/// Whether the author signed exactly these leaves as this page of this offer.
pub fn is_signed(
    author: PeerId,
    manifest: &[u8; 32],
    page: u32,
    leaves: &[u8],
    signature: &[u8; 64],
) -> bool {
    identity::verify(author, Purpose::Leaves, &[manifest, &page.to_be_bytes(), leaves], signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_believed_from_its_author_for_its_offer_and_its_place_only() {
        let [ann, eve] = [1, 2].map(|n| Identity::from_seed(&[n; 32]));
        let leaves = [7; 64];
        let signature = sign_page(&ann, &[1; 32], 5, &leaves);
        let by = |author: &Identity, manifest: [u8; 32], page, leaves: &[u8]| {
            is_signed(author.peer_id(), &manifest, page, leaves, &signature)
        };
        assert!(by(&ann, [1; 32], 5, &leaves));
        assert!(!by(&eve, [1; 32], 5, &leaves));
        assert!(!by(&ann, [2; 32], 5, &leaves));
        assert!(!by(&ann, [1; 32], 6, &leaves));
        assert!(!by(&ann, [1; 32], 5, &[7; 32]));
        assert!(!by(&ann, [1; 32], 5, &[8; 64]));
    }
}
