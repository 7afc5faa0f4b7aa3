//! What stands where while clocks are wrong, and once this device's is right again.

use lanyard_proto::effects::Place;
use lanyard_proto::rooms::Content;

use super::super::{Cursor, Opened, Openings, Search, Shown, Stretch};
use super::*;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

#[tokio::test]
async fn once_the_clock_is_right_again_a_conversation_reads_in_the_order_in_which_it_happened() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut talk = Talk::new(&store);
    let yesterday = talk.hear("yesterday", 0, 0).await;
    // From here on this device's clock is two days ahead.
    let mine = talk.say("tea?", 2 * DAY).await;
    let theirs = talk.hear("yes", MINUTE, 2 * DAY + MINUTE).await;
    let again = talk.say("now", 2 * DAY + 2 * MINUTE).await;
    let answer = talk.hear("coming", 3 * MINUTE, 2 * DAY + 3 * MINUTE).await;
    let happened = [&yesterday, &mine, &theirs, &again, &answer];
    assert_eq!(talk.shown().await, texts(&happened), "also while the clock is wrong");

    write(&store, vec![Record::ClockSetBack(UnixMillis(NOW.0 + 5 * MINUTE))]).await.unwrap();
    assert_eq!(talk.shown().await, texts(&happened));
    let page = store.part(TEA, Stretch::Newest, 10).await.unwrap().messages;
    assert!(page.iter().all(|shown| shown.cursor.place <= at(5 * MINUTE)), "nothing stands in the future");
    assert_eq!(page[2].cursor.place, theirs.header.hlc, "what others said stands where all have it");
    let new = talk.hear("where are you?", 6 * MINUTE, 6 * MINUTE).await;
    let own = talk.say("here", 7 * MINUTE).await;
    assert_eq!(talk.shown().await, texts(&[&yesterday, &mine, &theirs, &again, &answer, &new, &own]));

    // Pages join, and the search goes by the same order.
    let part = |stretch| store.part(TEA, stretch, 2);
    let newest = part(Stretch::Newest).await.unwrap().messages;
    let middle = part(Stretch::Before(newest[0].cursor)).await.unwrap().messages;
    let first = part(Stretch::Before(middle[0].cursor)).await.unwrap();
    let joined: Vec<Shown> = [first.messages, middle, newest].concat();
    assert_eq!(named(&joined), talk.shown().await[1..]);
    assert!(first.more);
    let found = store.search(Search::of("tea").unwrap()).await.unwrap().0;
    assert_eq!(named(&found), texts(&[&mine]));
    let mut before = Search::of("yesterday").unwrap();
    before.before = Some(found[0].cursor);
    assert_eq!(named(&store.search(before).await.unwrap().0), texts(&[&yesterday]));
    store.close().await.unwrap();
    let (_, loaded) = home.open();
    assert_eq!(loaded.latest, UnixMillis(NOW.0 + 7 * MINUTE));
}

#[tokio::test]
async fn who_began_with_a_clock_that_was_ahead_is_put_right_too() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut talk = Talk::new(&store);
    let mine = talk.say("tea?", 2 * DAY).await;
    let more = talk.say("anyone?", 2 * DAY + MINUTE).await;
    let theirs = talk.hear("yes", 2 * MINUTE, 2 * DAY + 2 * MINUTE).await;
    write(&store, vec![Record::ClockSetBack(UnixMillis(NOW.0 + 5 * MINUTE))]).await.unwrap();
    assert_eq!(talk.shown().await, texts(&[&mine, &more, &theirs]));
    assert_eq!(store.page(TEA, None, 9).await.unwrap().0[0].cursor.place.unix().0, NOW.0 + 1);
    // There is nothing left to do.
    write(&store, vec![Record::ClockSetBack(UnixMillis(NOW.0 + 5 * MINUTE))]).await.unwrap();
    assert_eq!(talk.shown().await, texts(&[&mine, &more, &theirs]));
}

#[tokio::test]
async fn what_was_read_while_the_clock_was_ahead_is_read_and_what_was_not_is_not() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut talk = Talk::new(&store);
    talk.say("tea?", 2 * DAY).await;
    let seen = talk.hear("yes", MINUTE, 2 * DAY + MINUTE).await;
    let shown = store.last(TEA).await.unwrap().unwrap();
    assert_eq!(shown.entry, seen);
    store.mark_read(TEA, shown.cursor).await.unwrap().await.unwrap();
    let unseen = talk.hear("with milk", 2 * MINUTE, 2 * DAY + 2 * MINUTE).await;
    assert_eq!(talk.unread().await, 1);
    write(&store, vec![Record::ClockSetBack(UnixMillis(NOW.0 + 5 * MINUTE))]).await.unwrap();
    assert_eq!(talk.unread().await, 1);
    let new = talk.hear("or sugar", 6 * MINUTE, 6 * MINUTE).await;
    assert_eq!(talk.unread().await, 2, "it is behind what was read");
    assert!(store.entry(new.id()).await.unwrap().is_some_and(|new| !new.about.late));
    let last = store.last(TEA).await.unwrap().unwrap();
    store.mark_read(TEA, last.cursor).await.unwrap().await.unwrap();
    assert_eq!(talk.unread().await, 0);
    assert_ne!(seen, unseen);
}

#[tokio::test]
async fn an_edit_made_after_the_clock_was_set_right_counts_more_than_one_from_before() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut talk = Talk::new(&store);
    let mine = talk.say("tae", 2 * DAY).await;
    talk.put(Content::Edit { target: mine.id(), text: "tee".into() }, 2 * DAY, 2 * DAY).await;
    write(&store, vec![Record::ClockSetBack(UnixMillis(NOW.0 + 5 * MINUTE))]).await.unwrap();
    // Its reading exceeds that of the one before; it arrives now.
    talk.put(Content::Edit { target: mine.id(), text: "tea".into() }, 2 * DAY + 1, 6 * MINUTE).await;
    let shown = store.entry(mine.id()).await.unwrap().unwrap();
    assert_eq!(shown.about.edited.unwrap().text, "tea");
}

#[tokio::test]
async fn a_newcomer_sees_what_an_author_said_with_a_clock_that_was_ahead_before_what_it_said_next() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    let ahead = [bob.say("one", at(2 * DAY)), bob.say("two", at(2 * DAY + 1)), bob.say("three", at(MINUTE))];
    let (first, last) = (eve.say("before", at(0)), eve.say("after", at(2 * MINUTE)));
    let happened = texts(&[&first, &ahead[0], &ahead[1], &ahead[2], &last]);
    // Caught up with a week later: at once, or the newest first.
    let run = |entries: &[Arc<Entry>], place| Record::Run {
        room: TEA,
        entries: entries.to_vec(),
        place,
        arrived: UnixMillis(NOW.0 + 7 * DAY),
        theirs: None,
    };
    let late = |entry: &Arc<Entry>| Record::Entry {
        room: TEA,
        entry: entry.clone(),
        own: false,
        arrived: UnixMillis(NOW.0 + 7 * DAY),
        theirs: None,
    };
    let talk = Talk::new(&store);
    write(&store, vec![run(&ahead[2..], Place::Ahead), run(&ahead[..2], Place::Below)]).await.unwrap();
    write(&store, vec![late(&first), late(&last)]).await.unwrap();
    assert_eq!(talk.shown().await, happened);
}

#[tokio::test]
async fn what_is_said_now_by_a_clock_that_is_behind_stands_where_it_came() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let mut eve = Pen::new(3, 5);
    let record = |entry: &Arc<Entry>, arrived: u64, theirs: Option<UnixMillis>| Record::Entry {
        room: TEA,
        entry: entry.clone(),
        own: false,
        arrived: UnixMillis(NOW.0 + arrived),
        theirs,
    };
    let yesterday = UnixMillis(NOW.0 - DAY);
    let question = eve.say("tea?", at(MINUTE));
    let now = bob.say("yes", Hlc::at(yesterday));
    let missed = bob.say("with milk", Hlc::at(UnixMillis(yesterday.0 + 5)));
    write(&store, vec![record(&question, MINUTE, None), record(&now, 2 * MINUTE, Some(yesterday))])
        .await
        .unwrap();
    write(&store, vec![record(&missed, 60 * MINUTE, Some(UnixMillis(yesterday.0 + 58 * MINUTE)))])
        .await
        .unwrap();
    let talk = Talk::new(&store);
    assert_eq!(talk.shown().await, texts(&[&question, &now, &missed]));
}

#[tokio::test]
async fn what_is_told_anew_keeps_its_order_though_the_clock_is_behind_now_and_was_ahead_twice() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut talk = Talk::new(&store);
    // The clock is right, two days ahead, and then nine; in the end it is an hour behind.
    let mut happened = vec![talk.hear("tea?", 0, 0).await, talk.say("yes", MINUTE).await];
    for (said, ahead) in [(60, 2), (80, 9)] {
        for minutes in said..said + 10 {
            let (said, clock) = (minutes * MINUTE, ahead * DAY + minutes * MINUTE);
            happened.push(talk.say("more", clock).await);
            happened.push(talk.hear("enough", said, clock + 1).await);
            happened.push(talk.hear("or not", said, clock + 2).await);
        }
    }
    let happened: Vec<EntryId> = happened.iter().map(|entry| entry.id()).collect();
    assert_eq!(talk.shown().await, happened);
    let now = 20 * MINUTE;
    write(&store, vec![Record::ClockSetBack(UnixMillis(NOW.0 + now))]).await.unwrap();
    assert_eq!(talk.shown().await, happened);
    let page = store.part(TEA, Stretch::Newest, 100).await.unwrap().messages;
    assert!(page.iter().all(|shown| shown.cursor.place < at(now)), "nothing stands later than now");
    let new = talk.say("or now", now).await;
    assert_eq!(talk.shown().await, [happened, vec![new.id()]].concat());
}

#[tokio::test]
async fn a_log_that_came_from_its_end_reads_from_its_beginning_when_it_is_told_anew() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let said: Vec<Arc<Entry>> = (0..9).map(|n| bob.say("word", at(60 * MINUTE + n * MINUTE))).collect();
    let run = |entries: &[Arc<Entry>], place| Record::Run {
        room: TEA,
        entries: entries.to_vec(),
        place,
        arrived: UnixMillis(NOW.0 + 70 * MINUTE),
        theirs: None,
    };
    let parts =
        vec![run(&said[6..], Place::Ahead), run(&said[3..6], Place::Below), run(&said[..3], Place::Below)];
    write(&store, parts).await.unwrap();
    write(&store, vec![Record::ClockSetBack(UnixMillis(NOW.0 + MINUTE))]).await.unwrap();
    assert_eq!(Talk::new(&store).shown().await, texts(&said.iter().collect::<Vec<_>>()));
}

#[tokio::test]
async fn much_is_told_anew_in_steps_and_goes_on_where_it_was_left() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let said: Vec<Arc<Entry>> = (0..5000).map(|n| bob.say("word", at(2 * DAY + n))).collect();
    let came = |(n, entry): (usize, &Arc<Entry>)| Record::Entry {
        room: TEA,
        entry: entry.clone(),
        own: false,
        arrived: UnixMillis(NOW.0 + 2 * DAY + n as u64),
        theirs: None,
    };
    write(&store, said.iter().enumerate().map(came).collect()).await.unwrap();
    let read = Cursor::at_place(&said[2999].header, said[2999].header.hlc);
    store.mark_read(TEA, read).await.unwrap().await.unwrap();
    let now = UnixMillis(NOW.0 + MINUTE);
    assert_eq!(store.moves(), 0);
    write(&store, vec![Record::ClockSetBack(now)]).await.unwrap();
    assert_eq!(store.moves(), 1, "who reads page by page begins anew");
    store.close().await.unwrap();
    let (store, loaded) = home.open();
    assert!(loaded.latest > now, "the program ended in between");
    let (mut more, mut steps) = (store.retell(now, None).await.unwrap(), 1);
    while more.is_some() {
        (more, steps) = (store.retell(now, more).await.unwrap(), steps + 1);
    }
    assert_eq!(steps, 2, "two of three steps were left");
    let page = store.page(TEA, None, 10_000).await.unwrap().0;
    assert_eq!(named(&page), texts(&said.iter().collect::<Vec<_>>()));
    assert!(page.iter().all(|shown| shown.cursor.place < Hlc::at(now) && !shown.about.late));
    assert_eq!(store.read_mark(TEA).await.unwrap(), Some(page[2999].cursor));
    let unread = store.counts(TEA, PeerId([0; 32])).await.unwrap().unread;
    assert_eq!(unread, 2000.min(super::super::messages::MAX_COUNT), "what was not read is not");
}

#[tokio::test]
async fn a_mark_on_a_message_that_was_moved_meanwhile_stands_where_that_does_now() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut talk = Talk::new(&store);
    talk.hear("tea?", MINUTE, 2 * DAY + MINUTE).await;
    let seen = store.last(TEA).await.unwrap().unwrap();
    talk.hear("hello?", 2 * MINUTE, 2 * DAY + 2 * MINUTE).await;
    write(&store, vec![Record::ClockSetBack(UnixMillis(NOW.0 + 5 * MINUTE))]).await.unwrap();
    store.mark_read(TEA, seen.cursor).await.unwrap().await.unwrap();
    assert_eq!(talk.unread().await, 1, "it was not the last");
    let future = Cursor { seq: Seq(99), ..seen.cursor };
    store.mark_read(TEA, future).await.unwrap().await.unwrap();
    assert_eq!(talk.unread().await, 0);
    talk.hear("are you there?", 6 * MINUTE, 6 * MINUTE).await;
    assert_eq!(talk.unread().await, 1, "what comes next is behind every mark");
    assert!(store.last(TEA).await.unwrap().is_some_and(|last| !last.about.late));
}

#[tokio::test]
async fn nothing_is_given_up_because_it_was_told_anew() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut talk = Talk::new(&store);
    let before = talk.say("before", 0).await;
    // A hundred days later the clock is ahead; what comes is told anew as of right behind what came before.
    for day in 200..230 {
        talk.say("more", day * DAY).await;
    }
    let now = UnixMillis(NOW.0 + 100 * DAY);
    write(&store, vec![Record::ClockSetBack(now)]).await.unwrap();
    let ran = std::time::Duration::ZERO;
    let limits = super::super::Limits {
        days: 30,
        most_days: None,
        bytes: u64::MAX,
        now,
        borne_out: true,
        by_known: true,
        ran,
    };
    let given_up: Vec<Seq> =
        store.prune(limits).await.unwrap().pruned.iter().map(|pruned| pruned.to).collect();
    assert_eq!(given_up, [before.header.seq], "what was a hundred days old before");
}

/// A conversation of this device with one other, as the store hears of it.
struct Talk<'a> {
    store: &'a Store,
    me: Pen,
    other: Pen,
}

impl Talk<'_> {
    fn new(store: &Store) -> Talk<'_> {
        Talk { store, me: Pen::new(1, MINE), other: Pen::new(2, 5) }
    }

    /// This device says something when its clock shows this.
    async fn say(&mut self, text: &str, clock: u64) -> Arc<Entry> {
        self.put(Content::Text(text.into()), clock, clock).await
    }

    async fn put(&mut self, content: Content, reading: u64, clock: u64) -> Arc<Entry> {
        let entry = self.me.write(content.kind(), &content.encode(""), at(reading));
        self.commit(&entry, content, true, clock, None).await;
        entry
    }

    /// The other says something at a time, which arrives at once, when this device's clock shows another.
    async fn hear(&mut self, text: &str, said: u64, clock: u64) -> Arc<Entry> {
        let content = Content::Text(text.into());
        let entry = self.other.write(content.kind(), &content.encode(""), at(said));
        let theirs = (clock > said + 10 * MINUTE).then_some(UnixMillis(NOW.0 + said));
        self.commit(&entry, content, false, clock, theirs).await;
        entry
    }

    async fn commit(
        &self,
        entry: &Arc<Entry>,
        content: Content,
        own: bool,
        clock: u64,
        theirs: Option<UnixMillis>,
    ) {
        let arrived = UnixMillis(NOW.0 + clock);
        let record = Record::Entry { room: TEA, entry: entry.clone(), own, arrived, theirs };
        let of = [(entry.id(), Opened { content, moderates: false })].into();
        let openings = Openings { me: self.me.peer(), of };
        self.store.commit_opened(vec![record], openings).await.unwrap().await.unwrap();
    }

    async fn shown(&self) -> Vec<EntryId> {
        let page = self.store.page(TEA, None, 100).await.unwrap().0;
        assert!(page.is_sorted_by(|one, next| one.cursor < next.cursor));
        named(&page)
    }

    async fn unread(&self) -> u32 {
        self.store.counts(TEA, self.me.peer()).await.unwrap().unread
    }
}

fn named(shown: &[Shown]) -> Vec<EntryId> {
    shown.iter().map(|shown| shown.entry.id()).collect()
}

fn texts(entries: &[&Arc<Entry>]) -> Vec<EntryId> {
    entries.iter().map(|entry| entry.id()).collect()
}
