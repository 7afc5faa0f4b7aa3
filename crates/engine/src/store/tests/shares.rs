//! Shared folders, and what was taken of them, as they are found again.

use lanyard_proto::effects::Origin;
use lanyard_proto::model::ShareId;

use super::*;
use crate::store::{SharedFolder, SharedWith};

fn folder(number: u8, who: SharedWith) -> SharedFolder {
    let path = format!("/srv/Bücher {number}").into();
    SharedFolder { id: ShareId([number; 16]), name: format!("books {number}"), path, who }
}

#[tokio::test]
async fn shared_folders_are_found_again_with_those_who_may_see_them() {
    let home = Home::new();
    let (store, _) = home.open();
    let people = vec![PeerId([1; 32]), PeerId([2; 32])];
    let mut shares = vec![
        folder(9, SharedWith::Everyone),
        folder(3, SharedWith::Room(TEA)),
        folder(5, SharedWith::People(people)),
        folder(7, SharedWith::People(Vec::new())),
    ];
    for share in &shares {
        store.share(share.clone()).await.unwrap().await.unwrap();
    }
    shares[0] = SharedFolder { name: "novels".to_owned(), who: SharedWith::Room(TEA), ..shares[0].clone() };
    store.share(shares[0].clone()).await.unwrap().await.unwrap();
    store.unshare(shares.remove(1).id).await.unwrap().await.unwrap();
    store.unshare(ShareId([200; 16])).await.unwrap().await.unwrap();
    assert_eq!(store.shares().await.unwrap(), shares, "in the order in which they were shared");
    store.close().await.unwrap();
    let (store, _) = home.open();
    assert_eq!(store.shares().await.unwrap(), shares);
}

#[tokio::test]
async fn what_was_taken_of_a_folder_is_loaded_whatever_rooms_there_are_and_apart_from_offers() {
    let home = Home::new();
    let (store, _) = home.open();
    let (ann, bob) = (PeerId([1; 32]), PeerId([2; 32]));
    let origin = Origin::Share { share: ShareId([3; 16]), to: bob };
    let taken = TransferRecord { origin, ..transfer(1, ann, TransferState::Waiting) };
    let given = TransferRecord { origin, ..transfer(2, ann, TransferState::Offered) };
    let over = TransferRecord { origin, ..transfer(3, ann, TransferState::Done) };
    let records = [&taken, &given, &over].map(|record| Record::Transfer(record.clone()));
    store.commit(records.into()).await.unwrap().await.unwrap();
    assert_eq!(store.transfer(over.id).await.unwrap().unwrap().record, over);
    store.close().await.unwrap();
    let (_, loaded) = home.open();
    assert_eq!(loaded.transfers, [taken, given]);
}
