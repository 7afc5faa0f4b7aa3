//! How much of the disk a folder takes.

use std::fs;

use super::super::{staged, taken};
use lanyard_proto::model::{PeerId, TransferId};

#[test]
fn files_at_every_depth_count_and_what_is_not_there_counts_nothing() {
    let home = tempfile::tempdir().unwrap();
    let transfer = TransferId::new(PeerId([3; 32]), [5; 8]);
    assert_eq!(staged(home.path(), transfer), 0);
    let tree = home.path().join(".lanyard-part").join(transfer.to_string()).join("tree/a/b");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), vec![1; 10_000]).unwrap();
    fs::write(tree.join("../other"), vec![1; 30_000]).unwrap();
    assert!((40_000..200_000).contains(&staged(home.path(), transfer)));
    assert_eq!(taken(&home.path().join("none")), 0);
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere_and_holes_take_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (folder, elsewhere) = (home.path().join("folder"), home.path().join("elsewhere"));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("large"), vec![1; 1 << 20]).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("link")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("large"), folder.join("file")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.path().join("root")).unwrap();
    fs::File::create(folder.join("sparse")).unwrap().set_len(1 << 30).unwrap();
    assert!(taken(&folder) < 1 << 20, "{}", taken(&folder));
    assert_eq!(taken(&home.path().join("root")), 0);
}
