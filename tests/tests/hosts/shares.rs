//! Folders that are shared between hosts.

use super::*;

#[test]
fn what_is_got_of_a_shared_folder_arrives_although_its_holder_is_killed_meanwhile() {
    let Some(lan) = Lan::or_skip() else { return };
    let host = lan.host("ann");
    let (ann, bob) = (Node::up(&host), Node::up(&lan.host("bob")));
    bob.sees("ann");
    ann.sees("bob");
    let films = host.folder().join("films");
    std::fs::create_dir_all(films.join("old")).unwrap();
    write_random(&films.join("old/film.mkv"), 200_000_000, 7).unwrap();
    std::fs::write(films.join("list.txt"), "old/film.mkv").unwrap();
    ann.does(&["share", films.to_str().unwrap(), "--with", "@bob"]);
    assert_eq!(bob.does(&["browse", "@ann"]).lines[0]["name"], "films");
    let listed = bob.does(&["browse", "@ann", "films"]);
    let names: Vec<_> = listed.lines.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["old", "list.txt"]);
    assert_eq!(bob.host.run(&["browse", "@ann", "films/../.."]).code, Some(2));

    let getting = bob.host.spawn(&["get", "@ann", "films/old", "films/list.txt", "--wait"]);
    bob.process.wait_for("progress", SOON, |event| event["event"] == "progress");
    ann.process.kill();
    let ann = Node::up(&host);
    let got = getting.finish(Duration::from_secs(120));
    assert_eq!(got.code, Some(0), "{}", got.stderr);
    let film = bob.host.downloads().join("old/film.mkv");
    assert_eq!(sha256(&film).unwrap(), sha256(&films.join("old/film.mkv")).unwrap());
    assert_eq!(std::fs::read_to_string(bob.host.downloads().join("list.txt")).unwrap(), "old/film.mkv");
    ann.process.wait_for("receipt", SOON, |event| {
        event["event"] == "transfer-finished" && event["transfer"]["state"] == "done"
    });

    ann.does(&["share", "--remove", "films"]);
    assert_eq!(bob.host.run(&["get", "@ann", "films/list.txt"]).code, Some(1));
}
