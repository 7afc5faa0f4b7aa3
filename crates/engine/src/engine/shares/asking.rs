//! What this device asks of others' shared folders.

use std::path::PathBuf;
use std::time::Duration;

use lanyard_proto::effects::TransferRecord;
use lanyard_proto::model::{PeerId, ShareId, TransferId};
use lanyard_proto::transfer::{Failure, TransferState};
use lanyard_proto::wire::file::Source;
use lanyard_proto::wire::share::{After, MAX_LISTED, MAX_TAKEN, Shared, Taken, Why};

use super::lending::{ShareReport, offer_of};
use super::{clean_name, same_name, show};
use crate::api::{ApiError, Command, ErrorCode, Listing, ListingEntry, PeerShare, Reply};
use crate::engine::commands::{MIN_ID_PREFIX, To, invalid, refused};
use crate::engine::dialling::Dialler;
use crate::engine::gate::{Answer, Answering};
use crate::engine::queue::check_space;
use crate::engine::run::{Report, Run};
use crate::files::{AskError, Asker, Dial as _, Disk, disk_of, shown};
use crate::saying;
use crate::says;
use crate::store::StoreError;

/// An offer that was asked for.
pub struct Got {
    peer: PeerId,
    share: ShareId,
    taken: Taken,
    paths: Vec<String>,
    folder: PathBuf,
    disk: Disk,
    /// The transfer that this one is in place of.
    instead: Option<TransferId>,
    answer: To,
}

impl Run {
    pub(in crate::engine) fn ask_of_shares(&mut self, command: Command, answer: To) {
        let asked = match command {
            Command::Shares {} => {
                self.own_shares(answer);
                return;
            }
            Command::PeerShares { peer } => self.holder_of(&peer, Wanted::Shares),
            Command::Browse { peer, share, folder, after, limit } => {
                let after = after.as_deref().map(place);
                let limit = limit.clamp(1, MAX_LISTED as u32) as u16;
                self.holder_of(&peer, Wanted::Page { share, folder, after, limit })
            }
            Command::Get { peer, share, paths, into } => {
                let into = into.map_or_else(|| Ok(self.download_folder()), |handle| self.folder(&handle));
                into.and_then(|into| self.holder_of(&peer, wanted(share, paths, into)?))
            }
            _ => Err(says!(ErrorCode::Internal, "This is no question about shared folders.")),
        };
        self.ask_holder(asked, answer);
    }

    /// Whether a transfer can only go on as a new one, because its holder gives it no longer: what was got of a shared folder
    /// and then cancelled, or refused.
    pub(in crate::engine) fn is_to_be_got_anew(&self, transfer: TransferId) -> bool {
        let refused = |record: &TransferRecord| {
            matches!(record.state, TransferState::Cancelled | TransferState::Failed(Failure::Refused))
        };
        let record = self.node.transfer(transfer).filter(|record| record.from != self.node.me());
        let asked = self.view.transfers.get(&transfer).is_some_and(|view| view.note.asked.is_some());
        asked && record.is_some_and(|record| record.share().is_some() && refused(record))
    }

    /// Asks once more for what [`Run::is_to_be_got_anew`], into the same folder. Once it is offered, the new transfer takes the
    /// place of the old one.
    pub(in crate::engine) fn get_anew(&mut self, transfer: TransferId, answer: To) {
        let into = self.folder_of(transfer);
        let asked = self.node.transfer(transfer).and_then(|record| Some((record.from, record.share()?)));
        let paths = self.view.transfer(transfer).note.asked.clone();
        let (Some((from, share)), Some(paths)) = (asked, paths) else {
            let code = ErrorCode::NoSuch;
            let error = says!(code, "There is no such transfer. See them: lanyard transfers");
            return drop(answer.send(Err(error)));
        };
        let called = self.node.transfer(transfer).and_then(|record| record.offer.names.first());
        let called = called.map(|name| shown(name)).unwrap_or_default();
        let instead = Some(Instead { transfer, called });
        let wanted = Wanted::Some { share: share.to_string(), paths, into, instead };
        let asked = self.holder_of(&from.to_string(), wanted);
        self.ask_holder(asked, answer);
    }

    fn ask_holder(&mut self, asked: Result<(Holder, Wanted), ApiError>, answer: To) {
        match asked {
            Ok((holder, wanted)) => {
                let (reports, turns) = (self.reports.clone(), self.shares.asks(holder.peer));
                tokio::spawn(async move {
                    let turn = turns.acquire_owned().await;
                    let asked = ask(&holder, &wanted).await;
                    drop(turn);
                    match asked {
                        Ok(Answered::Reply(reply)) => drop(answer.send(Ok(*reply))),
                        Ok(Answered::Taken { share, taken, disk }) => {
                            let Wanted::Some { paths, into: folder, instead, .. } = wanted else { return };
                            let peer = holder.peer;
                            let instead = instead.map(|instead| instead.transfer);
                            let got = Got { peer, share, taken, paths, folder, disk, instead, answer };
                            let _ = reports.send(Report::Share(Box::new(ShareReport::Got(got)))).await;
                        }
                        Err(error) => drop(answer.send(Err(error))),
                    }
                });
            }
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// Fetches what was asked for, like any offer that somebody said yes to.
    pub(super) async fn got(&mut self, got: Got) -> Result<(), StoreError> {
        let Got { peer, share, taken, paths, folder, disk, instead, answer } = got;
        let (transfer, now) = (taken.transfer(), self.clock.now());
        let checked = check_space(&folder, disk, taken.bytes);
        let took = checked.and_then(|()| {
            let took = self.node.take((share, peer), transfer, offer_of(&taken), disk.number, now);
            took.map_err(refused)
        });
        let mut effects = match took {
            Ok(effects) => effects,
            Err(error) => {
                let _ = answer.send(Err(error));
                // Else the holder would keep it for somebody who does not want it.
                let turned_down = self.node.turn_down(peer, transfer, now).unwrap_or_default();
                return self.enter(turned_down, None).await;
            }
        };
        let note = &mut self.view.transfer(transfer).note;
        (note.folder, note.asked) = (Some(folder), Some(paths));
        self.keep_note(transfer).await?;
        if let Some(old) = instead {
            // It may have been forgotten meanwhile, or taken up otherwise.
            effects.extend(self.forget_transfer(old).unwrap_or_default());
        }
        self.enter(effects, Some(Answer { to: answer, with: Answering::Transfer(transfer) })).await?;
        self.claim(transfer, peer);
        Ok(())
    }

    /// Lets the holder know that somebody will come for what waits here for its turn: it reads the list, which people look
    /// into meanwhile.
    fn claim(&mut self, transfer: TransferId, holder: PeerId) {
        if self.node.transfer(transfer).is_none_or(|record| record.state == TransferState::Running) {
            return;
        }
        let Ok(listing) = self.listing(transfer) else { return };
        let turns = self.shares.asks(holder);
        tokio::spawn(async move {
            // Of whoever gets much at a time the holder would take no more connections.
            let _turn = turns.acquire_owned().await;
            if let Err(error) = listing.await {
                tracing::debug!(%transfer, %error, "a holder does not know that it will be come for");
            }
        });
    }

    /// Looks which of them are there, which may take as long as a disk takes.
    fn own_shares(&self, answer: To) {
        let folders = self.shares.folders.clone();
        tokio::task::spawn_blocking(move || {
            let shares = folders.iter().map(|folder| show(folder, !folder.path.is_dir())).collect();
            let _ = answer.send(Ok(Reply::Shares(shares)));
        });
    }

    fn holder_of(&self, peer: &str, wanted: Wanted) -> Result<(Holder, Wanted), ApiError> {
        let peer = self.find_person(peer)?;
        let name = self.name_of(peer);
        let presence = self.node.presence();
        let addresses = presence.addresses(peer).to_vec();
        if !presence.is_online(peer) || addresses.is_empty() {
            return Err(says!(ErrorCode::NotFound, "{name} is not here right now.", name));
        }
        Ok((Holder { peer, name, source: Source { peer, addresses }, dialler: self.dialler() }, wanted))
    }
}

/// Whoever shares something.
struct Holder {
    peer: PeerId,
    name: String,
    source: Source,
    dialler: Dialler,
}

enum Wanted {
    Shares,
    Page { share: String, folder: String, after: Option<After>, limit: u16 },
    Some { share: String, paths: Vec<String>, into: PathBuf, instead: Option<Instead> },
}

/// What is asked for once more.
struct Instead {
    transfer: TransferId,
    /// What people know it by: they never saw the id of the share.
    called: String,
}

enum Answered {
    Reply(Box<Reply>),
    Taken { share: ShareId, taken: Taken, disk: Disk },
}

fn wanted(share: String, mut paths: Vec<String>, into: PathBuf) -> Result<Wanted, ApiError> {
    if paths.is_empty() {
        paths.push(String::new());
    }
    if paths.len() > MAX_TAKEN {
        return Err(too_many());
    }
    Ok(Wanted::Some { share, paths, into, instead: None })
}

/// Asks, and again a little later while the holder is busy.
async fn ask(holder: &Holder, wanted: &Wanted) -> Result<Answered, ApiError> {
    let mut wait = FIRST_WAIT;
    for _ in 0..TRIES {
        match ask_once(holder, wanted).await {
            Err(Trouble::Ask(AskError::Unshared { why: Why::Busy, .. })) => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Err(trouble) => return Err(trouble.sentence(holder, wanted)),
            Ok(answered) => return Ok(answered),
        }
    }
    let name = &holder.name;
    Err(says!(ErrorCode::TimedOut, "{name} has too much to do right now. Try again later.", name))
}

enum Trouble {
    Ask(AskError),
    Said(ApiError),
}

impl From<AskError> for Trouble {
    fn from(error: AskError) -> Trouble {
        Trouble::Ask(error)
    }
}

async fn ask_once(holder: &Holder, wanted: &Wanted) -> Result<Answered, Trouble> {
    let dialled = holder.dialler.dial(holder.source.clone()).await.map_err(AskError::Lost)?;
    let (mut asker, shares) = Asker::look(dialled.stream).await?;
    let answered = match wanted {
        Wanted::Shares => {
            Answered::Reply(Box::new(Reply::PeerShares(shares.iter().map(peer_share).collect())))
        }
        Wanted::Page { share, folder, after, limit } => {
            let share = find(&shares, share, holder).map_err(Trouble::Said)?;
            let (entries, more) = asker.list(share, folder.clone(), after.clone(), *limit).await?;
            let next = entries.last().filter(|_| more).map(|last| {
                let mark = if last.folder { "/" } else { "" };
                format!("{}{mark}", last.name)
            });
            let entries = entries.into_iter().map(|entry| ListingEntry {
                name: entry.name,
                folder: entry.folder,
                size: if entry.folder { 0 } else { entry.size },
                modified: entry.modified.min(LATEST),
            });
            Answered::Reply(Box::new(Reply::Listing(Listing { entries: entries.collect(), next })))
        }
        Wanted::Some { share, paths, into, instead } => {
            let share = find(&shares, share, holder);
            let share = match (share, instead) {
                (Ok(share), _) => share,
                (Err(_), Some(instead)) => {
                    return Err(Trouble::Said(no_longer_shared(holder, &instead.called)));
                }
                (Err(error), None) => return Err(Trouble::Said(error)),
            };
            let taken = asker.take(share, paths.clone()).await?;
            let into = into.clone();
            let disk = tokio::task::spawn_blocking(move || disk_of(&into)).await;
            Answered::Taken { share, taken, disk: disk.expect("looking at a disk does not panic") }
        }
    };
    asker.goodbye().await;
    Ok(answered)
}

/// The one that an id, the beginning of one, or a name means.
fn find(shares: &[Shared], wanted: &str, holder: &Holder) -> Result<ShareId, ApiError> {
    let named = shares.iter().filter(|shared| same_name(&clean_name(&shared.name), wanted));
    let mut found: Vec<&Shared> = named.collect();
    let prefix = wanted.to_lowercase();
    if found.is_empty() && prefix.len() >= MIN_ID_PREFIX {
        found = shares.iter().filter(|shared| shared.share.to_string().starts_with(&prefix)).collect();
    }
    match found[..] {
        [one] => Ok(one.share),
        [] => Err(not_shared(holder, wanted)),
        _ => {
            let ids: Vec<String> = found.iter().map(|shared| shared.share.to_string()).collect();
            let (name, ids) = (&holder.name, ids.join(", "));
            Err(invalid(saying!("{name} shares several folders “{wanted}”: {ids}", name, wanted, ids)))
        }
    }
}

fn peer_share(shared: &Shared) -> PeerShare {
    PeerShare { id: shared.share.to_string(), name: clean_name(&shared.name) }
}

/// Reads [`Listing::next`]: the last name, with a slash behind that of a folder.
fn place(next: &str) -> After {
    match next.strip_suffix('/') {
        Some(name) => After { folder: true, name: name.to_owned() },
        None => After { folder: false, name: next.to_owned() },
    }
}

fn not_shared(holder: &Holder, wanted: &str) -> ApiError {
    let name = &holder.name;
    says!(
        ErrorCode::NoSuch,
        "{name} shares no “{wanted}” with you. See what is shared: lanyard browse @{name}",
        name,
        wanted
    )
}

fn no_longer_shared(holder: &Holder, called: &str) -> ApiError {
    let name = &holder.name;
    says!(
        ErrorCode::NoSuch,
        "{name} no longer shares “{called}” with you. See what is shared: lanyard browse @{name}",
        name,
        called
    )
}

fn too_many() -> ApiError {
    invalid(saying!("These are too many at a time. Take fewer, or the folder that they are in."))
}

impl Trouble {
    fn sentence(self, holder: &Holder, wanted: &Wanted) -> ApiError {
        let name = &holder.name;
        let (share, paths) = match wanted {
            Wanted::Shares => ("", &[][..]),
            Wanted::Page { share, folder, .. } => (share.as_str(), std::slice::from_ref(folder)),
            Wanted::Some { share, paths, .. } => (share.as_str(), paths.as_slice()),
        };
        let (why, path) = match self {
            Trouble::Said(error) => return error,
            Trouble::Ask(AskError::TooLong) => return too_many(),
            Trouble::Ask(AskError::Unshared { why, path }) => (why, path),
            Trouble::Ask(AskError::Nonsense) => {
                return says!(
                    ErrorCode::Network,
                    "{name}'s program sent something that makes no sense. Update both programs.",
                    name
                );
            }
            Trouble::Ask(AskError::Lost(error)) => {
                return says!(
                    ErrorCode::Network,
                    "{name} could not be asked: {error}. If {name}'s program is an older one, it knows no shared folders.",
                    name,
                    error
                );
            }
        };
        // People never saw the id that something is asked for by once more.
        let share = match wanted {
            Wanted::Some { instead: Some(instead), .. } if why == Why::NotShared => {
                return no_longer_shared(holder, &instead.called);
            }
            Wanted::Some { instead: Some(instead), .. } => instead.called.as_str(),
            _ => share,
        };
        let at = path.and_then(|at| paths.get(at as usize)).or(paths.first());
        let at = at.map_or("", String::as_str);
        match why {
            Why::NotShared => not_shared(holder, share),
            Why::Gone => says!(
                ErrorCode::Storage,
                "The folder that {name} shares as “{share}” is not there at the moment. Ask {name}.",
                name,
                share
            ),
            Why::NoSuch => {
                says!(ErrorCode::NoSuch, "There is no “{at}” in “{share}” of {name}.", at, share, name)
            }
            Why::BadName => invalid(saying!(
                "“{at}” cannot be a path in a shared folder: names with / between them, without .. and \\.",
                at
            )),
            Why::TooMuch => invalid(saying!(
                "“{at}” in “{share}” has more files, or deeper folders, than can be fetched at once. Take parts of it.",
                at,
                share
            )),
            Why::Unreadable => {
                says!(ErrorCode::Storage, "“{at}” in “{share}” cannot be read at {name}'s.", at, share, name)
            }
            Why::Busy => says!(ErrorCode::TimedOut, "{name} has too much to do right now.", name),
        }
    }
}

/// How often a holder is asked that is busy: for 20 s or so.
const TRIES: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The latest time that pages can show.
const LATEST: u64 = 8_640_000_000_000_000;
