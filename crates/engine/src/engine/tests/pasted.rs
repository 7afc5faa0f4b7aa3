//! Pictures that were pasted.

use super::*;
use crate::files::Pasted;

#[tokio::test]
async fn a_pasted_picture_is_there_for_as_long_as_it_is_offered() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let ann = up(&profile, "ann").await;
    let put = |name: &str| Pasted::of(&profile).put(name, b"\x89PNG\r\n\x1a\n").unwrap();
    let (offered, never) = (put("Picture 1"), put("Picture 2"));
    let paths = vec![offered.to_str().unwrap().to_owned()];
    let Reply::Handles(handles) = ann.handle().call(Command::Admit { paths }).await.unwrap() else {
        panic!("no handles");
    };
    let handles = handles.into_iter().map(|one| one.handle).collect();
    let offer = Command::Offer { to: "#lobby".to_owned(), handles };
    let Reply::Transfer(transfer) = ann.handle().call(offer).await.unwrap() else { panic!("no transfer") };
    assert_eq!(transfer.names, ["Picture 1.png"]);
    down(ann).await;

    let ann = up(&profile, "ann").await;
    assert!(offered.exists());
    assert!(!never.exists());
    ann.handle().call(Command::Cancel { transfer: transfer.id }).await.unwrap();
    let gone = async {
        while offered.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, gone).await.unwrap();
    down(ann).await;
}
