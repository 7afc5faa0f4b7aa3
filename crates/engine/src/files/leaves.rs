//! The leaves of an offer, as far as they are known here, and the author's signatures over them.

use std::collections::BTreeMap;
use std::ops::Range;

use lanyard_proto::model::PeerId;
use lanyard_proto::transfer::{Bitmap, Layout, Leaf, NO_LEAF, PAGE_LEAVES, is_signed};

#[derive(Debug)]
pub(super) struct LeafTable {
    leaves: Vec<Leaf>,
    known: Bitmap,
    signatures: BTreeMap<u32, [u8; 64]>,
}

impl LeafTable {
    pub fn new(layout: &Layout) -> LeafTable {
        LeafTable {
            leaves: vec![NO_LEAF; layout.leaves() as usize],
            known: Bitmap::new(layout.leaves()),
            signatures: BTreeMap::new(),
        }
    }

    pub fn get(&self, leaf: u32) -> Option<Leaf> {
        self.known.has(leaf).then(|| self.leaves[leaf as usize])
    }

    pub fn slice(&self, leaves: Range<u32>) -> &[Leaf] {
        &self.leaves[leaves.start as usize..leaves.end as usize]
    }

    pub fn known(&self) -> &Bitmap {
        &self.known
    }

    pub fn has_all(&self, leaves: Range<u32>) -> bool {
        self.known.has_all(leaves)
    }

    /// Learns a leaf. Whether it is new; one that is known is not replaced.
    pub fn learn(&mut self, leaf: u32, value: Leaf) -> bool {
        if value == NO_LEAF || !self.known.insert(leaf) {
            return false;
        }
        self.leaves[leaf as usize] = value;
        true
    }

    pub fn forget(&mut self, leaves: Range<u32>) {
        for leaf in leaves {
            self.known.remove(leaf);
            self.leaves[leaf as usize] = NO_LEAF;
            self.signatures.remove(&(leaf / PAGE_LEAVES));
        }
    }

    pub fn signature(&self, page: u32) -> Option<&[u8; 64]> {
        self.signatures.get(&page)
    }

    pub fn signed(&self) -> impl Iterator<Item = u32> + '_ {
        self.signatures.keys().copied()
    }

    /// Keeps a signature, after it was made here or checked.
    pub fn sign(&mut self, page: u32, signature: [u8; 64]) {
        self.signatures.insert(page, signature);
    }

    /// Checks a page that somebody sent, and learns it. `leaves` are those sent, or none if they are known already.
    /// Gives the leaves that are new; `None` if the author did not sign this.
    pub fn learn_signed(
        &mut self,
        layout: &Layout,
        author: PeerId,
        manifest: &[u8; 32],
        page: u32,
        leaves: &[u8],
        signature: &[u8; 64],
    ) -> Option<Vec<u32>> {
        let range = layout.page(page);
        let own = self.slice(range.clone()).as_flattened();
        let signed = if leaves.is_empty() { own } else { leaves };
        if range.is_empty() || signed.len() != range.len() * 32 {
            return None;
        }
        // What was checked before need not be checked again.
        let checked = self.signatures.get(&page) == Some(signature) && signed == own;
        if !checked && !is_signed(author, manifest, page, signed, signature) {
            return None;
        }
        let mut new = Vec::new();
        if !leaves.is_empty() {
            for (leaf, value) in range.clone().zip(leaves.as_chunks::<32>().0) {
                if self.learn(leaf, *value) {
                    new.push(leaf);
                }
            }
        }
        // A page is passed on as it was signed: where more is known here, the signature does not fit.
        if leaves.is_empty() || self.slice(range).as_flattened() == leaves {
            self.signatures.insert(page, *signature);
        }
        Some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanyard_proto::identity::Identity;
    use lanyard_proto::transfer::sign_page;

    #[test]
    fn leaves_are_learned_from_anybody_if_the_author_signed_them_and_never_replaced() {
        let layout = Layout::new(vec![1; 300]).unwrap();
        let [ann, eve] = [1, 2].map(|n| Identity::from_seed(&[n; 32]));
        let leaves = [7u8; 256 * 32];
        let mut table = LeafTable::new(&layout);
        let learn = |table: &mut LeafTable, page, leaves: &[u8], signature: &[u8; 64]| {
            table.learn_signed(&layout, ann.peer_id(), &[3; 32], page, leaves, signature)
        };
        let forged = sign_page(&eve, &[3; 32], 0, &leaves);
        assert_eq!(learn(&mut table, 0, &leaves, &forged), None);
        assert_eq!(table.known().count(), 0);
        let signed = sign_page(&ann, &[3; 32], 0, &leaves);
        assert_eq!(learn(&mut table, 1, &leaves, &signed), None);
        assert_eq!(learn(&mut table, u32::MAX, &[], &signed), None);
        assert_eq!(learn(&mut table, 0, &leaves, &signed).unwrap().len(), 256);
        let others = [8u8; 256 * 32];
        let again = sign_page(&ann, &[3; 32], 0, &others);
        assert_eq!(learn(&mut table, 0, &others, &again), Some(vec![]));
        assert_eq!((table.get(5), table.signature(0)), (Some([7; 32]), Some(&signed)));
    }

    #[test]
    fn a_signature_for_what_was_sent_before_is_checked_against_that() {
        let layout = Layout::new(vec![1; 3]).unwrap();
        let ann = Identity::from_seed(&[1; 32]);
        let mut table = LeafTable::new(&layout);
        (0..3).for_each(|leaf| assert!(table.learn(leaf, [leaf as u8 + 1; 32])));
        let right = sign_page(&ann, &[3; 32], 0, table.slice(0..3).as_flattened());
        let mut learn =
            |signature: &[u8; 64]| table.learn_signed(&layout, ann.peer_id(), &[3; 32], 0, &[], signature);
        assert_eq!(learn(&[9; 64]), None);
        assert_eq!(learn(&right), Some(vec![]));
        assert!(table.signature(0).is_some());
        table.forget(1..2);
        assert!(table.signature(0).is_none() && table.get(1).is_none());
    }
}
