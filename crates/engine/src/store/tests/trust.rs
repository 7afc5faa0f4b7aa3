//! What a person decided about others is found again, and of whom is blocked nothing is found.

use lanyard_proto::rooms::{Content, Text};

use super::super::{Acquaintance, Change, Search};
use super::*;
use crate::store::{Opened, Openings};

fn decided(number: u8) -> Acquaintance {
    Acquaintance {
        peer: PeerId([number; 32]),
        verified_as: Some("Ana Müller".to_owned()),
        apart_as: (number == 2).then(|| "Аna".to_owned()),
        before_block: (number == 2).then_some(Trust::Verified),
        accept_bytes: (number != 2).then_some(u64::MAX),
    }
}

#[tokio::test]
async fn what_was_decided_about_somebody_is_found_again_as_it_was_decided_last() {
    let home = Home::new();
    let (store, _) = home.open();
    assert_eq!(store.acquaintances().await.unwrap(), []);
    for known in [Acquaintance::new(PeerId([1; 32])), decided(2), decided(1)] {
        store.acquaint(known).await.unwrap().await.unwrap();
    }
    assert_eq!(store.acquaintances().await.unwrap(), [decided(1), decided(2)]);
    store.close().await.unwrap();
    let (store, _) = home.open();
    assert_eq!(store.acquaintances().await.unwrap(), [decided(1), decided(2)]);
}

#[tokio::test]
async fn of_whom_is_blocked_nothing_is_shown_counted_or_found_until_they_are_not() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (me, mut bob, mut eve) = (PeerId([1; 32]), Pen::new(2, 5), Pen::new(3, 5));
    let said = |pen: &mut Pen, text: &str, hlc| {
        let content = Content::Text(Text { mentions: vec![me], ..Text::from(text) });
        let entry = pen.write(kind::TEXT, &content.encode("?"), hlc);
        (entry.clone(), (entry.id(), Opened { content, moderates: false }))
    };
    let (first, read) = said(&mut bob, "tea for two", at(1));
    let (second, read_too) = said(&mut eve, "tea for you", at(2));
    let openings = Openings { me, of: [read, read_too].into() };
    let records = vec![received(&first), received(&second)];
    store.commit_opened(records, openings).await.unwrap().await.unwrap();

    let shown = async || {
        let (page, _) = store.page(TEA, None, 10).await.unwrap();
        let (found, _) = store.search(Search::of("tea").unwrap()).await.unwrap();
        let counts = store.counts(TEA, me).await.unwrap();
        let last = store.last(TEA).await.unwrap().map(|last| last.entry.id());
        let ids = |list: &[super::super::Shown]| list.iter().map(|one| one.entry.id()).collect::<Vec<_>>();
        (ids(&page), ids(&found), counts.unread, counts.mentions, last)
    };
    let everything = (vec![first.id(), second.id()], vec![second.id(), first.id()], 2, 2, Some(second.id()));
    assert_eq!(shown().await, everything);

    let trusted = |trust| Record::Peer(PeerRecord { id: eve.peer(), trust, ..peer("eve") });
    write(&store, vec![trusted(Trust::Blocked)]).await.unwrap();
    assert_eq!(shown().await, (vec![first.id()], vec![first.id()], 1, 1, Some(first.id())));
    assert!(
        store.changed(vec![Change::New(second.id())]).await.unwrap()[0].is_some(),
        "it is here all the same"
    );

    write(&store, vec![trusted(Trust::Pinned)]).await.unwrap();
    assert_eq!(shown().await, everything);
}

#[tokio::test]
async fn what_somebody_blocked_says_of_topics_and_pins_does_not_count_until_they_are_not() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (me, mut bob, mut eve) = (PeerId([1; 32]), Pen::new(2, 5), Pen::new(3, 5));
    let put = |pen: &mut Pen, content: Content, hlc| {
        let entry = pen.write(content.kind(), &content.encode("?"), hlc);
        (entry.clone(), (entry.id(), Opened { content, moderates: false }))
    };
    let pin = |target, on| Content::Pin { target, on };
    let topic = |topic: &str| Content::Topic(topic.to_owned());
    let [one, two, three] = [1, 2, 3].map(|n| put(&mut bob, Content::Text(Text::from("tea")), at(n)));
    let ids = [&one, &two, &three].map(|(entry, _)| entry.id());
    let words = [
        put(&mut bob, topic("tea"), at(4)),
        put(&mut eve, topic("buy this"), at(5)),
        // Bob pins one and two; Eve takes one off, pins two as well, and three.
        put(&mut bob, pin(ids[0], true), at(6)),
        put(&mut bob, pin(ids[1], true), at(7)),
        put(&mut eve, pin(ids[0], false), at(8)),
        put(&mut eve, pin(ids[1], true), at(9)),
        put(&mut eve, pin(ids[2], true), at(10)),
    ];
    let (entries, of): (Vec<_>, Vec<_>) = [one, two, three].into_iter().chain(words).unzip();
    let records = entries.iter().map(received).collect();
    let openings = Openings { me, of: of.into_iter().collect() };
    store.commit_opened(records, openings).await.unwrap().await.unwrap();

    let shown = async || {
        let pins = store.pins(TEA, 10).await.unwrap();
        let listed: Vec<EntryId> = pins.iter().map(|pin| pin.entry.id()).collect();
        let mut pinned = Vec::new();
        for id in ids {
            if store.entry(id).await.unwrap().unwrap().about.pinned {
                pinned.push(id);
            }
        }
        (store.topic(TEA).await.unwrap().unwrap().1, listed, pinned)
    };
    let everything = ("buy this".to_owned(), vec![ids[2], ids[1]], vec![ids[1], ids[2]]);
    assert_eq!(shown().await, everything);
    let trusted = |trust| Record::Peer(PeerRecord { id: eve.peer(), trust, ..peer("eve") });
    write(&store, vec![trusted(Trust::Blocked)]).await.unwrap();
    assert_eq!(shown().await, ("tea".to_owned(), vec![ids[1], ids[0]], vec![ids[0], ids[1]]));
    write(&store, vec![trusted(Trust::Pinned)]).await.unwrap();
    assert_eq!(shown().await, everything);
}

#[tokio::test]
async fn strangers_cannot_fill_the_disk_with_topics_and_pins() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut records = Vec::new();
    let mut of = std::collections::BTreeMap::new();
    for number in 2..100 {
        let mut pen = Pen::new(number, 5);
        let target = EntryId([9; 32]);
        for content in [Content::Topic(number.to_string()), Content::Pin { target, on: true }] {
            let entry = pen.write(content.kind(), &content.encode("?"), at(u64::from(number)));
            of.insert(entry.id(), Opened { content, moderates: false });
            records.push(received(&entry));
        }
    }
    let openings = Openings { me: PeerId([1; 32]), of: of.into_iter().collect() };
    store.commit_opened(records, openings).await.unwrap().await.unwrap();
    assert_eq!(store.topic(TEA).await.unwrap().unwrap().1, "99");
    for table in ["topic", "mark"] {
        assert_eq!(home.peek::<i64>(&format!("SELECT count(*) FROM {table}")), 16, "{table}");
    }
}
