//! Whose word takes a message back, when that becomes known before, between and after.

use std::collections::BTreeSet;

use lanyard_proto::rooms::{Content, Text};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::{Judged, Opened, Openings, Search, judging};
use super::*;

const ME: PeerId = PeerId([1; 32]);

#[tokio::test]
async fn a_delete_that_is_here_before_the_appointment_counts_from_when_that_comes() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    let said = put(&mut eve, &Content::Text(Text::from("the marzipan recipe")), 1);
    let delete = put(&mut bob, &Content::Delete { target: said.0.id() }, 2);
    learn(&store, &[&delete, &said], &[]).await;
    assert_eq!(seen(&store).await, (vec![said.0.id()], 1));
    assert!(judge(&store, &[bob.peer()]).await);
    assert_eq!(seen(&store).await, (vec![], 0));
    assert!(!judge(&store, &[bob.peer()]).await, "nothing is new");
    assert!(!judge(&store, &[bob.peer(), eve.peer()]).await);
    assert_eq!(seen(&store).await, (vec![], 0));
}

#[tokio::test]
async fn a_message_comes_back_as_it_was_edited_when_the_appointment_turns_out_not_to_count() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    let said = put(&mut eve, &Content::Text(Text::from("cake")), 1);
    let edit =
        put(&mut eve, &Content::Edit { target: said.0.id(), text: Text::from("the marzipan recipe") }, 2);
    let delete = put(&mut bob, &Content::Delete { target: said.0.id() }, 3);
    let all = [&said, &edit, &delete];
    learn(&store, &all, &[bob.peer()]).await;
    assert_eq!(seen(&store).await, (vec![], 0));
    assert!(judge(&store, &[]).await);
    assert_eq!(seen(&store).await, (vec![], 1), "it is unread again, and its words are opened anew");
    open(&store, &all, &[]).await;
    assert_eq!(seen(&store).await, (vec![said.0.id()], 1));
    let shown = store.entry(said.0.id()).await.unwrap().unwrap();
    assert_eq!(shown.about.edited.unwrap().text, "the marzipan recipe");
    // Its own author's word does not depend on who moderates.
    let own = put(&mut eve, &Content::Delete { target: said.0.id() }, 4);
    learn(&store, &[&own], &[]).await;
    assert!(!judge(&store, &[eve.peer()]).await && !judge(&store, &[]).await);
    assert_eq!(seen(&store).await, (vec![], 0));
}

#[tokio::test]
async fn many_deletes_are_judged_in_steps() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    let said: Vec<_> = (0..300).map(|n| put(&mut eve, &Content::Text(Text::from("marzipan")), n)).collect();
    let deletes: Vec<_> =
        said.iter().map(|said| put(&mut bob, &Content::Delete { target: said.0.id() }, 400)).collect();
    learn(&store, &said.iter().chain(&deletes).collect::<Vec<_>>(), &[]).await;
    let moderators = Arc::new(BTreeSet::from([bob.peer()]));
    let first = store.judge(TEA, moderators.clone(), None).await.unwrap();
    assert!(first.changed && first.last.is_some());
    assert_eq!(store.counts(TEA, ME).await.unwrap().unread, 300 - 128, "the first step is one of several");
    judge(&store, &[bob.peer()]).await;
    assert_eq!(seen(&store).await, (vec![], 0));
    assert_eq!(store.judge(RoomId([8; 32]), moderators, None).await.unwrap(), Judged::default());
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", judging::DELETES)).unwrap();
    let none = [None::<i64>, None, None, None];
    let plan: Vec<String> =
        statement.query_map(none, |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(plan.len() == 1 && plan[0].contains("mark_deletes"), "{plan:?}");
}

#[test]
fn what_is_found_and_counted_does_not_depend_on_when_it_became_known_who_moderates() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let authors = [2u8, 3, 4];
    let acts = prop::collection::vec((0usize..3, 0usize..4, 0usize..5), 1..14);
    // At which places in the story somebody else moderates, as far as is known then.
    let turns = prop::collection::vec((0usize..20, 0usize..8), 0..5);
    runner
        .run(&(acts, turns, 0usize..8, any::<u64>()), |(acts, turns, last, seed)| {
            let peers = authors.map(|seed| Pen::new(seed, 5).peer());
            let moderators = |bits: usize| {
                peers
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| bits & (1 << n) != 0)
                    .map(|(_, peer)| *peer)
                    .collect::<Vec<_>>()
            };
            let mut written: Vec<(Arc<Entry>, Content)> = Vec::new();
            let mut texts: Vec<EntryId> = Vec::new();
            for (n, (who, what, which)) in acts.into_iter().enumerate() {
                let target = texts.get(which % texts.len().max(1)).copied();
                let content = match (what, target) {
                    (2, Some(target)) => {
                        Content::Edit { target, text: Text::from(format!("edited {n}").as_str()) }
                    }
                    (3, Some(target)) => Content::Delete { target },
                    _ => Content::Text(Text::from(format!("said {n}").as_str())),
                };
                // Logs of one entry each, so that any order is one in which they can come.
                let mut pen = Pen::new(authors[who], 100 + n as u64);
                let entry = put(&mut pen, &content, n as u64);
                if matches!(entry.1, Content::Text(_)) {
                    texts.push(entry.0.id());
                }
                written.push(entry);
            }
            let mut shuffled = written.clone();
            let mut state = seed | 1;
            for at in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                shuffled.swap(at, (state >> 33) as usize % (at + 1));
            }
            let (told, expected) = runtime.block_on(async {
                let home = Home::new();
                let (store, _) = home.with_tea_room().await;
                let mut known = Vec::new();
                for (n, entry) in shuffled.iter().enumerate() {
                    for (_, bits) in turns.iter().filter(|(at, _)| *at == n) {
                        known = moderators(*bits);
                        judge(&store, &known).await;
                        open(&store, &written.iter().collect::<Vec<_>>(), &known).await;
                    }
                    learn(&store, &[entry], &known).await;
                }
                judge(&store, &moderators(last)).await;
                open(&store, &written.iter().collect::<Vec<_>>(), &moderators(last)).await;
                let told = everything(&store, &texts).await;
                let home = Home::new();
                let (store, _) = home.with_tea_room().await;
                learn(&store, &written.iter().collect::<Vec<_>>(), &moderators(last)).await;
                (told, everything(&store, &texts).await)
            });
            prop_assert_eq!(told, expected);
            Ok(())
        })
        .unwrap();
}

/// What is found by either word, how much is unread, and what each message says after its edits.
async fn everything(
    store: &Store,
    texts: &[EntryId],
) -> (Vec<EntryId>, Vec<EntryId>, u32, Vec<Option<String>>) {
    let mut edits = Vec::new();
    for text in texts {
        let edited = store.entry(*text).await.unwrap().and_then(|shown| shown.about.edited);
        edits.push(edited.map(|edited| edited.text));
    }
    (
        find(store, "said").await,
        find(store, "edited").await,
        store.counts(TEA, ME).await.unwrap().unread,
        edits,
    )
}

async fn seen(store: &Store) -> (Vec<EntryId>, u32) {
    (find(store, "marzipan").await, store.counts(TEA, ME).await.unwrap().unread)
}

async fn find(store: &Store, word: &str) -> Vec<EntryId> {
    let (found, _) = store.search(Search::of(word).unwrap()).await.unwrap();
    found.iter().map(|shown| shown.entry.id()).collect()
}

/// Whether anything was judged otherwise than before.
async fn judge(store: &Store, moderators: &[PeerId]) -> bool {
    let moderators = Arc::new(moderators.iter().copied().collect::<BTreeSet<_>>());
    let (mut changed, mut after) = (false, None);
    loop {
        let judged = store.judge(TEA, moderators.clone(), after).await.unwrap();
        changed |= judged.changed;
        after = judged.last;
        if after.is_none() {
            return changed;
        }
    }
}

fn put(pen: &mut Pen, content: &Content, milliseconds: u64) -> (Arc<Entry>, Content) {
    (pen.write(content.kind(), &content.encode("Bob"), at(milliseconds)), content.clone())
}

fn openings<'a>(entries: impl Iterator<Item = &'a (Arc<Entry>, Content)>, moderators: &[PeerId]) -> Openings {
    let of = entries.map(|(entry, content)| {
        let moderates = moderators.contains(&entry.header.author);
        (entry.id(), Opened { content: content.clone(), moderates })
    });
    Openings { me: ME, of: of.collect() }
}

async fn learn(store: &Store, entries: &[&(Arc<Entry>, Content)], moderators: &[PeerId]) {
    let records = entries.iter().map(|(entry, _)| received(entry)).collect();
    let openings = openings(entries.iter().copied(), moderators);
    store.commit_opened(records, openings).await.unwrap().await.unwrap();
}

/// What lies there unopened, and only that.
async fn open(store: &Store, entries: &[&(Arc<Entry>, Content)], moderators: &[PeerId]) {
    let unopened: BTreeSet<EntryId> =
        store.unopened(i64::MIN, 500).await.unwrap().into_iter().map(|(_, entry)| entry.id()).collect();
    let entries = entries.iter().copied().filter(|(entry, _)| unopened.contains(&entry.id()));
    store.index(openings(entries, moderators)).await.unwrap().await.unwrap();
}
