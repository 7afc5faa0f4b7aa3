//! Some files of an offer are wanted, and the others are not.

use super::*;

#[test]
fn some_files_of_an_offer_are_chosen_by_name_and_its_sender_learns_that_it_was_a_part() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    bob.sees("ann");
    let folder = ann.host.folder().join("photos");
    std::fs::create_dir_all(folder.join("2026")).unwrap();
    for number in 1..4 {
        write_random(&folder.join(format!("2026/{number}")), 40_000, number).unwrap();
    }
    let sending = ann.host.spawn(&["send", "@bob", folder.to_str().unwrap(), "--wait"]);
    let offer = bob.offered();
    let listed = bob.does(&["files", &offer]);
    assert_eq!((listed.lines.len(), &listed.lines[4]["path"]), (5, &"photos/2026/3".into()));
    let unknown = bob.host.run(&["accept", &offer, "--only", "photos/2027"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    bob.does(&["accept", &offer, "--only", "photos/2026/2"]);
    let received = bob.host.downloads().join("photos/2026");
    assert_eq!(std::fs::read_dir(&received).unwrap().count(), 1);
    let sent = sending.finish(SOON);
    assert_eq!(sent.code, Some(4), "{}", sent.stderr);
    assert!(sent.stderr.contains("bob took 1 of 3 files"), "{}", sent.stderr);
    bob.does(&["accept", &offer]);
    assert_eq!(tree(&bob.host.downloads().join("photos")).unwrap(), tree(&folder).unwrap());
}

#[test]
fn a_verb_without_a_running_node_hears_first_what_was_offered_meanwhile() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    bob.sees("ann");
    let host = bob.host.clone();
    bob.process.kill();
    let file = file_of(&ann, "report.pdf", 2_000_000);
    ann.does(&["send", "@bob", &file]);
    let offers = host.run(&["offers"]);
    assert_eq!((offers.code, offers.lines.len()), (Some(0), 1), "{}", offers.stderr);
    // What nobody offers is not waited for longer than it takes to hear everybody.
    let none = host.run(&["accept", "zzzzzzzz"]);
    assert_eq!(none.code, Some(1), "{}", none.stderr);
    let accepted = host.run(&["accept", offers.lines[0]["id"].as_str().unwrap()]);
    assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
    assert_eq!(sha256(&host.downloads().join("report.pdf")).unwrap(), sha256(Path::new(&file)).unwrap());
}
