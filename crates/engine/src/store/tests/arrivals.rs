//! What came since, for whoever has read up to a number.

use lanyard_proto::effects::Place;

use super::super::{Limits, Number, Stretch};
use super::*;

#[tokio::test]
async fn what_arrives_late_stands_behind_what_was_there_although_it_is_shown_before_it() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let said: Vec<_> = (0..6).map(|n| bob.say("tea?", at(n))).collect();
    let run = |entries: &[Arc<Entry>], place| {
        vec![Record::Run { room: TEA, entries: entries.to_vec(), place, arrived: NOW, theirs: None }]
    };
    write(&store, run(&said[4..], Place::Ahead)).await.unwrap();
    let first = store.arrived(Some(TEA), Number(0), 10).await.unwrap();
    assert_eq!(entries(&first.entries), said[4..]);
    assert_eq!((first.more, first.next), (false, first.newest));

    write(&store, run(&said[..4], Place::Below)).await.unwrap();
    let second = store.arrived(Some(TEA), first.next, 3).await.unwrap();
    assert_eq!((entries(&second.entries), second.more), (said[..3].to_vec(), true));
    let third = store.arrived(None, second.next, 3).await.unwrap();
    assert_eq!((entries(&third.entries), third.more), (vec![said[3].clone()], false));
    assert_eq!(store.arrived(None, third.next, 3).await.unwrap().entries, []);
    let before = store.part_of(TEA, Stretch::Newest, 10, first.next).await.unwrap();
    assert_eq!((entries(&before.messages), before.more), (said[4..].to_vec(), false), "as it was then");
}

#[tokio::test]
async fn a_number_is_not_given_again_although_its_entry_is_gone() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    write(&store, vec![received(&bob.say("tea?", at(1)))]).await.unwrap();
    let read = store.newest_arrival().await.unwrap();
    let none = Limits {
        days: 0,
        most_days: None,
        bytes: 0,
        now: NOW,
        borne_out: true,
        by_known: true,
        ran: std::time::Duration::ZERO,
    };
    while store.prune(none).await.unwrap().more {}
    assert_eq!(home.peek::<i64>("SELECT count(*) FROM entry"), 0);
    assert_eq!(store.newest_arrival().await.unwrap(), read);
    let next = eve.say("anyone?", at(2));
    write(&store, vec![received(&next)]).await.unwrap();
    assert_eq!(entries(&store.arrived(None, read, 10).await.unwrap().entries), [next]);

    let read = store.newest_arrival().await.unwrap();
    write(&store, vec![Record::RoomLeft(TEA), tea_room()]).await.unwrap();
    let again = Pen::new(4, 5).say("back again", at(3));
    write(&store, vec![received(&again)]).await.unwrap();
    assert_eq!(entries(&store.arrived(Some(TEA), read, 10).await.unwrap().entries), [again]);
}

fn entries(shown: &[super::super::Shown]) -> Vec<Arc<Entry>> {
    shown.iter().map(|shown| shown.entry.clone()).collect()
}
