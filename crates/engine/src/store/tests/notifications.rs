//! What a person is told of, as it is found again.

use super::*;
use crate::api::{Notifications, NotifyLevel};

#[tokio::test]
async fn what_was_chosen_is_found_again_and_a_room_that_was_left_takes_its_level_along() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    assert_eq!(store.notifications().await.unwrap(), Notifications::default());
    assert!(store.notify_levels().await.unwrap().is_empty());
    let chosen = Notifications { do_not_disturb: true, previews: false, rooms: NotifyLevel::Mentions };
    store.set_notifications(Notifications::default()).await.unwrap().await.unwrap();
    store.set_notifications(chosen).await.unwrap().await.unwrap();
    store.notify(TEA, Some(NotifyLevel::Mentions)).await.unwrap().await.unwrap();
    store.notify(TEA, Some(NotifyLevel::None)).await.unwrap().await.unwrap();
    store.notify(RoomId([200; 32]), Some(NotifyLevel::None)).await.unwrap().await.unwrap();
    store.close().await.unwrap();
    let (store, _) = home.open();
    assert_eq!(store.notifications().await.unwrap(), chosen);
    assert_eq!(store.notify_levels().await.unwrap(), [(TEA, NotifyLevel::None)].into());
    store.notify(TEA, None).await.unwrap().await.unwrap();
    assert!(store.notify_levels().await.unwrap().is_empty());
    store.notify(TEA, Some(NotifyLevel::All)).await.unwrap().await.unwrap();
    write(&store, vec![Record::RoomLeft(TEA)]).await.unwrap();
    assert!(store.notify_levels().await.unwrap().is_empty());
    write(&store, vec![tea_room()]).await.unwrap();
    assert!(store.notify_levels().await.unwrap().is_empty(), "who comes back begins anew");
}
