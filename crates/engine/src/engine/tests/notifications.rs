//! What a person is told of, chosen and found again.

use super::*;
use crate::api::{Me, Notifications, NotifyLevel, Room};

#[tokio::test]
async fn what_is_told_is_chosen_for_all_and_for_one_and_survives_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let ann = up(&profile, "ann").await;
    let mut events = ann.handle().subscribe();
    assert_eq!(snapshot(&ann).await.me.notifications, Notifications::default());
    assert_eq!(lobby(&ann).await.notify, None);
    let me = chosen(&ann, Some(true), None, None).await;
    assert_eq!(me.notifications, Notifications { do_not_disturb: true, ..Notifications::default() });
    let told = tokio::time::timeout(SOON, async {
        loop {
            if let Some(Event::MeChanged { me }) = events.next().await {
                return me;
            }
        }
    });
    assert_eq!(told.await.expect("everybody hears of it"), me);
    let me = chosen(&ann, None, Some(false), Some(NotifyLevel::Mentions)).await;
    let all = Notifications { do_not_disturb: true, previews: false, rooms: NotifyLevel::Mentions };
    assert_eq!(me.notifications, all);
    assert_eq!(muted(&ann, "#lobby", Some(NotifyLevel::None)).await.unwrap().notify, Some(NotifyLevel::None));
    assert_eq!(muted(&ann, "#nowhere", None).await.unwrap_err().code, ErrorCode::NoSuch);
    down(ann).await;
    let ann = up(&profile, "ann").await;
    assert_eq!(snapshot(&ann).await.me.notifications, all);
    assert_eq!(lobby(&ann).await.notify, Some(NotifyLevel::None));
    assert_eq!(muted(&ann, "#lobby", None).await.unwrap().notify, None);
    down(ann).await;
}

async fn lobby(engine: &Engine) -> Room {
    snapshot(engine).await.rooms.into_iter().find(|room| room.name == "lobby").expect("everybody is in it")
}

async fn chosen(
    engine: &Engine,
    do_not_disturb: Option<bool>,
    previews: Option<bool>,
    rooms: Option<NotifyLevel>,
) -> Me {
    let choice = Command::SetNotifications { do_not_disturb, previews, rooms };
    match engine.handle().call(choice).await.unwrap() {
        Reply::Me(me) => me,
        other => panic!("{other:?}"),
    }
}

async fn muted(engine: &Engine, room: &str, level: Option<NotifyLevel>) -> Result<Room, ApiError> {
    match engine.handle().call(Command::NotifyRoom { room: room.to_owned(), level }).await? {
        Reply::Room(room) => Ok(room),
        other => panic!("{other:?}"),
    }
}
