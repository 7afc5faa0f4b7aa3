//! `lanyard share`, `browse`, `get`: folders that others may look into.

use lanyard_engine::api::{
    ApiError, Command, Listing, ListingEntry, PeerShare, Reply, Room, Share, ShareAudience, Transfer,
};
use lanyard_engine::control::Node;

use super::files::{Destination, admit, finish, whole_path};
use super::{all_peers, all_rooms, ask, call_when_found, misunderstood};
use crate::args;
use crate::failure::{Exit, Failure};
use crate::output::{BAD, Output, QUIET, STRONG, paint};
use crate::text;

pub async fn share(node: &Node, out: Output, words: args::Share) -> Result<(), Failure> {
    let args::Share { path, name, with, list, remove } = words;
    if list {
        return own(node, out).await;
    }
    if let Some(share) = remove {
        node.call(Command::Unshare { share }).await?;
        out.note("It is shared no longer.");
        return Ok(());
    }
    let path = path.ok_or_else(|| Failure::new(Exit::WrongUse, "Which folder?"))?;
    let who = audience(node, with).await?;
    let handle = admit(node, vec![whole_path(&path)?]).await?.into_iter().next().ok_or_else(misunderstood)?;
    let share = ask!(call_when_found(node, Command::Share { handle, name, who }) => Share)?;
    if node.is_ours() {
        out.note("Others can look into it while a node runs for this profile: a window, or lanyard up.");
    }
    show(node, out, &[share]).await
}

async fn own(node: &Node, out: Output) -> Result<(), Failure> {
    let shares = ask!(node.call(Command::Shares {}) => Shares)?;
    show(node, out, &shares).await
}

pub async fn browse(node: &Node, out: Output, peer: String, at: Option<String>) -> Result<(), Failure> {
    let Some(at) = at else {
        let shares = ask!(call_when_found(node, Command::PeerShares { peer }) => PeerShares)?;
        return shares.iter().try_for_each(|share| out.item(share, shared_words));
    };
    let (share, folder) = divided(&at);
    let mut after = None;
    loop {
        let (peer, share, folder) = (peer.clone(), share.to_owned(), folder.to_owned());
        let page = Command::Browse { peer, share, folder, after, limit: PAGE };
        let Listing { entries, next } = ask!(call_when_found(node, page) => Listing)?;
        entries.iter().try_for_each(|entry| out.item(entry, entry_words))?;
        match next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

pub async fn get(node: &Node, out: Output, words: args::Get) -> Result<(), Failure> {
    let args::Get { peer, what, into, wait } = words;
    let parts: Vec<(&str, &str)> = what.iter().map(|what| divided(what)).collect();
    let share = parts.first().map_or("", |(share, _)| share).to_owned();
    if parts.iter().any(|(other, _)| *other != share) {
        let message = "These are in several shared folders. Fetch from one at a time.";
        return Err(Failure::new(Exit::WrongUse, message));
    }
    let paths = parts.iter().map(|(_, path)| (*path).to_owned()).collect();
    let into = Destination::admit(node, into.as_deref()).await?;
    let mut events = node.subscribe();
    let get = Command::Get { peer, share, paths, into: into.handle.clone() };
    let transfer: Transfer = ask!(call_when_found(node, get) => Transfer)?;
    into.keep();
    finish(node, out, &mut events, transfer, wait).await
}

/// A shared folder, and the path in it.
fn divided(at: &str) -> (&str, &str) {
    let at = at.strip_suffix('/').unwrap_or(at);
    at.split_once('/').unwrap_or((at, ""))
}

async fn audience(node: &Node, with: Vec<String>) -> Result<ShareAudience, Failure> {
    let (rooms, people): (Vec<String>, Vec<String>) = with.into_iter().partition(|who| !who.starts_with('@'));
    match (&rooms[..], people) {
        ([], people) if people.is_empty() => Ok(ShareAudience::Everyone),
        ([], people) => Ok(ShareAudience::People { people }),
        ([room], people) if people.is_empty() => {
            let room: Room = ask!(node.call(Command::Open { to: room.clone() }) => Room)?;
            Ok(ShareAudience::Room { room: room.id })
        }
        _ => Err(Failure::new(
            Exit::WrongUse,
            "A folder is shared with everybody, with one room, or with people: --with '#room', or --with @person ...",
        )),
    }
}

async fn show(node: &Node, out: Output, shares: &[Share]) -> Result<(), Failure> {
    let (rooms, people) = match out {
        Output::Person => (all_rooms(node).await?, all_peers(node).await?),
        Output::Program => (Vec::new(), Vec::new()),
    };
    let room = |id: &String| {
        let known = rooms.iter().find(|room| room.id == *id);
        known.map_or_else(
            || format!("room {}", text::short(id)),
            |room| format!("#{}", text::line(&room.name)),
        )
    };
    let person = |id: &String| {
        let known = people.iter().find(|peer| peer.id == *id);
        known.map_or_else(|| format!("@{}", text::short(id)), |peer| format!("@{}", text::line(&peer.name)))
    };
    for share in shares {
        let who = match &share.who {
            ShareAudience::Everyone => "everybody on the network".to_owned(),
            ShareAudience::Room { room: id } => room(id),
            ShareAudience::People { people } if people.is_empty() => "nobody".to_owned(),
            ShareAudience::People { people } => people.iter().map(person).collect::<Vec<_>>().join(", "),
        };
        out.item(share, |share| own_words(share, &who))?;
    }
    Ok(())
}

fn own_words(share: &Share, who: &str) -> String {
    let id = paint(STRONG, text::short(&share.id));
    let gone = if share.gone { paint(BAD, "  not there at the moment") } else { String::new() };
    let with = paint(QUIET, &format!("with {who}"));
    format!("{id}  {}  {}  {with}{gone}", text::line(&share.name), text::line(&share.path))
}

fn shared_words(share: &PeerShare) -> String {
    format!("{}  {}", paint(STRONG, text::short(&share.id)), text::line(&share.name))
}

fn entry_words(entry: &ListingEntry) -> String {
    let name = text::line(&entry.name);
    let name = if entry.folder { paint(STRONG, &format!("{name}/")) } else { name };
    let size = (!entry.folder).then(|| text::bytes(entry.size));
    let when = (entry.modified > 0).then(|| text::moment(entry.modified));
    let rest: Vec<String> = size.into_iter().chain(when).collect();
    if rest.is_empty() { name } else { format!("{name}  {}", paint(QUIET, &rest.join("  "))) }
}

/// Entries that are asked for at a time.
const PAGE: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_with_the_shared_folder() {
        assert_eq!(divided("photos"), ("photos", ""));
        assert_eq!(divided("photos/"), ("photos", ""));
        assert_eq!(divided("photos/2026/May/"), ("photos", "2026/May"));
        assert_eq!(divided("photos//etc"), ("photos", "/etc"));
        assert_eq!(divided("photos/../x"), ("photos", "../x"));
    }

    #[test]
    fn a_name_in_a_listing_cannot_carry_an_escape_sequence() {
        let entry = ListingEntry { name: "a\x1b[2Jb".into(), folder: false, size: 9, modified: 0 };
        let plain = anstream::adapter::strip_str(&entry_words(&entry)).to_string();
        assert_eq!(plain, "a\u{FFFD}[2Jb  9 bytes");
    }
}
