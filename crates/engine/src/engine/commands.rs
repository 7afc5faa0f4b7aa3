//! What user interfaces ask for.

use std::path::PathBuf;

use lanyard_proto::effects::{Audience, Effects};
use lanyard_proto::model::{PeerId, RoomId, TransferId};
use lanyard_proto::node::Refusal;
use lanyard_proto::rooms::{Offer, RoomKind};
use tokio::sync::oneshot;

use crate::api::{ApiError, Command, ErrorCode, Event, Left, Locked, Reply};
use crate::config::MIN_HISTORY_BYTES;
use crate::engine::avatar::chosen_avatar;
use crate::engine::gate::{Answer, Answering};
use crate::engine::links::check_address;
use crate::engine::mailbox::choose_holding;
use crate::engine::messages::{Action, Wanted, cursor as cursor_of};
use crate::engine::naming::own_name;
use crate::engine::queue::choose_limits;
use crate::engine::run::{Report, Run};
use crate::files::{Pasted, SurveyError, read_path, survey};
use crate::saying;
use crate::saying::Saying;
use crate::says;
use crate::store::StoreError;

/// Whoever asked.
pub type To = oneshot::Sender<Result<Reply, ApiError>>;

/// Files that were looked at, and can be offered now.
pub struct Offering {
    room: RoomId,
    /// Its id, what is said of it, and how much in it is skipped.
    result: Result<(TransferId, Offer, u64), ApiError>,
    answer: To,
}

/// What a command comes to: an answer now, or effects first.
#[allow(clippy::large_enum_variant, reason = "it lives for one call")]
pub enum Outcome {
    Now(Reply),
    After(Effects, Answering),
}

impl Run {
    pub async fn command(&mut self, command: Command, to: To) -> Result<(), StoreError> {
        match command {
            Command::Log { to: whose, before, after, at, around, until, limit } => {
                self.read_page(&whose, Wanted { before, after, at, around, until }, limit, to);
                Ok(())
            }
            Command::Arrived { to: whose, since, limit } => {
                self.read_arrivals(whose.as_deref(), since.as_deref(), limit, to);
                Ok(())
            }
            Command::Pins { room } => {
                self.pins(&room, to);
                Ok(())
            }
            Command::Accept { transfer, into, only } => {
                self.accept(&transfer, into, only, to);
                Ok(())
            }
            Command::TransferFiles { transfer, after, limit } => {
                self.transfer_files(&transfer, after, limit, to);
                Ok(())
            }
            Command::Files { room, before, limit } => {
                self.files_of(&room, before, limit, to);
                Ok(())
            }
            Command::Storage {} => {
                self.measure_storage(to);
                Ok(())
            }
            Command::Search { text, to: room, from, before, limit } => {
                self.search(&text, room, from, before, limit, to);
                Ok(())
            }
            Command::Export { to: room, format, into } => {
                self.export(&room, format, &into, to);
                Ok(())
            }
            Command::Say { to: whom, text, reply: Some(reply) } => {
                self.act_in(&whom, reply, Action::Answer { text }, to);
                Ok(())
            }
            Command::Edit { to: whom, message, text } => {
                self.act_in(&whom, message, Action::Edit { text }, to);
                Ok(())
            }
            Command::Delete { to: whom, message } => {
                self.act_in(&whom, message, Action::Delete, to);
                Ok(())
            }
            Command::React { to: whom, message, emoji, on } => {
                self.act_in(&whom, message, Action::React { emoji, on }, to);
                Ok(())
            }
            Command::Pin { to: whom, message, on } => {
                self.act_in(&whom, message, Action::Pin { on }, to);
                Ok(())
            }
            Command::Offer { to: whom, handles } => self.offer(&whom, &handles, to).await,
            asked @ (Command::Shares {}
            | Command::PeerShares { .. }
            | Command::Browse { .. }
            | Command::Get { .. }) => {
                self.ask_of_shares(asked, to);
                Ok(())
            }
            asked @ (Command::Call { .. } | Command::FeedCall { .. } | Command::CallDevices {}) => {
                self.ask_of_calls(asked, to);
                Ok(())
            }
            chosen @ Command::ChooseCallDevices { .. } => self.choose_call_devices(chosen, to).await,
            Command::Resume { transfer } => self.resume(&transfer, to).await,
            Command::Diagnose {} => self.diagnose(to).await,
            Command::MarkRead { room, cursor } => {
                match self.find_room(&room).and_then(|room| Ok((room, cursor_of(&cursor)?))) {
                    Ok((room, cursor)) => self.mark_read(room, cursor, to).await,
                    Err(error) => {
                        // Whoever asked may be gone.
                        let _ = to.send(Err(error));
                        Ok(())
                    }
                }
            }
            Command::ReadAll { room } => {
                match self.find_room(&room) {
                    Ok(room) => self.read_all(room, to),
                    // Whoever asked may be gone.
                    Err(error) => drop(to.send(Err(error))),
                }
                Ok(())
            }
            command => match self.carry_out(command).await {
                Ok(Outcome::Now(reply)) => {
                    // Whoever asked may be gone.
                    let _ = to.send(Ok(reply));
                    Ok(())
                }
                Ok(Outcome::After(effects, with)) => self.enter(effects, Some(Answer { to, with })).await,
                Err(error) => {
                    let _ = to.send(Err(error));
                    Ok(())
                }
            },
        }
    }

    async fn carry_out(&mut self, command: Command) -> Result<Outcome, ApiError> {
        let now = self.clock.now();
        match command {
            Command::Snapshot {} => Ok(Outcome::Now(Reply::Snapshot(Box::new(self.snapshot())))),
            Command::Peers {} => Ok(Outcome::Now(Reply::Peers(self.peers()))),
            Command::Rooms {} => Ok(Outcome::Now(Reply::Rooms(self.rooms()))),
            Command::Transfers {} => Ok(Outcome::Now(Reply::Transfers(self.transfers()))),
            Command::JoinRoom { name } => self.join(&name),
            Command::LeaveRoom { room } => {
                let room = self.find_room(&room)?;
                let held = self.node.room(room);
                // Where nobody else is in, nothing that was said there has to reach anybody.
                let lacked = match held.is_some_and(|held| !held.members().is_empty()) {
                    true => self.node.undelivered(room),
                    false => 0,
                };
                let left = Left {
                    undelivered: u32::try_from(lacked).unwrap_or(u32::MAX),
                    kept: held.is_some_and(|held| held.record().kind == RoomKind::Private),
                    without_admin: self.node.is_last_admin(room),
                };
                let effects = self.node.leave(room, now).map_err(refused)?;
                Ok(Outcome::After(effects, Answering::Ready(Box::new(Reply::Left(left)))))
            }
            Command::Find { to } => Ok(Outcome::Now(Reply::Room(self.look_at(&to)?))),
            Command::Open { to } => {
                let (room, effects) = self.resolve(&to)?;
                Ok(Outcome::After(effects, Answering::Room(room)))
            }
            Command::Say { to, text, .. } => self.say(&to, &text),
            Command::SetTopic { room, topic } => self.set_topic(&room, &topic),
            Command::Typing { room } => self.typing(&room),
            Command::SetDraft { room, text } => self.set_draft(&room, &text).await,
            Command::Admit { paths } => {
                let admitted: Result<Vec<_>, ApiError> = paths.iter().map(|path| self.admit(path)).collect();
                Ok(Outcome::Now(Reply::Handles(admitted?)))
            }
            Command::Decline { transfer } => {
                let transfer = self.find_transfer(&transfer)?;
                let effects = self.node.decline(transfer, now).map_err(refused)?;
                Ok(Outcome::After(effects, Answering::Transfer(transfer)))
            }
            Command::Cancel { transfer } => {
                let transfer = self.find_transfer(&transfer)?;
                let effects = self.node.cancel(transfer, now).map_err(refused)?;
                Ok(Outcome::After(effects, Answering::Transfer(transfer)))
            }
            queue @ (Command::Pause { .. }
            | Command::Reorder { .. }
            | Command::ForgetTransfer { .. }
            | Command::ForgetTransfers {}) => self.queue_command(queue),
            configure @ Command::Configure { .. } => self.configure(configure).await,
            Command::CaughtUp {} => Ok(Outcome::Now(Reply::CaughtUp(self.node.is_caught_up()))),
            Command::Mailbox {} => Ok(Outcome::Now(Reply::Mailbox(self.mailbox()))),
            Command::SettleClone {} => {
                let effects = self.node.settle_clone();
                Ok(Outcome::After(effects, Answering::Me(Box::new(self.me()))))
            }
            Command::Trust { peer, act } => self.trust(&peer, act).await,
            chosen @ Command::UseInterface { .. } => self.use_interface(chosen).await,
            Command::AddPeer { address } => {
                check_address(&address)?;
                self.add_address(&address);
                Ok(Outcome::Now(Reply::Done))
            }
            Command::Log { .. }
            | Command::Arrived { .. }
            | Command::Offer { .. }
            | Command::Accept { .. }
            | Command::Resume { .. }
            | Command::Diagnose {}
            | Command::MarkRead { .. }
            | Command::ReadAll { .. }
            | Command::Edit { .. }
            | Command::Delete { .. }
            | Command::React { .. }
            | Command::Pin { .. }
            | Command::Pins { .. }
            | Command::TransferFiles { .. }
            | Command::Files { .. }
            | Command::Storage {}
            | Command::Search { .. }
            | Command::Export { .. }
            | Command::Shares {}
            | Command::PeerShares { .. }
            | Command::Browse { .. }
            | Command::Get { .. }
            | Command::Call { .. }
            | Command::FeedCall { .. }
            | Command::CallDevices {}
            | Command::ChooseCallDevices { .. } => unreachable!("answered later, see `command`"),
            private @ (Command::CreateRoom { .. }
            | Command::Members { .. }
            | Command::AddMember { .. }
            | Command::RemoveMember { .. }
            | Command::SetRole { .. }
            | Command::RenewKeys { .. }
            | Command::Invite { .. }
            | Command::Invites { .. }
            | Command::RevokeInvite { .. }) => self.private_command(private),
            Command::KeepRoom { room, days } => {
                let room = self.find_room(&room)?;
                self.keep_room(room, days).await?;
                Ok(Outcome::After(Effects::default(), Answering::Room(room)))
            }
            shared @ (Command::Share { .. } | Command::Unshare { .. } | Command::SetShare { .. }) => {
                self.change_shares(shared).await
            }
            told @ (Command::SetNotifications { .. } | Command::NotifyRoom { .. }) => {
                self.choose_notifications(told).await
            }
            call @ (Command::LeaveCall {}
            | Command::DeclineCall { .. }
            | Command::Mute { .. }
            | Command::Calls {}) => self.call_command(call),
            Command::Directory {} => Ok(Outcome::Now(Reply::Directory(self.directory()))),
        }
    }

    /// Gives the answer that was waiting for its effects.
    pub fn answer(&mut self, answer: Answer) {
        let gone = || says!(ErrorCode::NoSuch, "It is no longer there.");
        let reply = match answer.with {
            Answering::Ready(reply) => Ok(*reply),
            Answering::Message(id) => return self.answer_message(id, answer.to),
            Answering::Room(room) => self.room(room).map(Reply::Room).ok_or_else(gone),
            Answering::Transfer(transfer) => self.transfer(transfer).map(Reply::Transfer).ok_or_else(gone),
            Answering::Call(room) => self.call_in(room).map(Reply::Call).ok_or_else(gone),
            Answering::Transfers => Ok(Reply::Transfers(self.transfers())),
            Answering::Me(me) => {
                self.tell(Event::MeChanged { me: (*me).clone() });
                Ok(Reply::Me(*me))
            }
            Answering::Shared(reply) => {
                self.tell(Event::SharesChanged {});
                Ok(*reply)
            }
            Answering::Trusted(peer) => self.tell_of_trust(peer),
            Answering::Refused(error) => Err(error),
        };
        let _ = answer.to.send(reply);
    }

    /// Files were looked at: write the offer.
    pub async fn surveyed(&mut self, offering: Offering) -> Result<(), StoreError> {
        let Offering { room, result, answer } = offering;
        let offered = result.and_then(|(transfer, offer, skipped)| {
            let effects = self.node.offer(room, transfer, offer, self.clock.now()).map_err(refused)?;
            self.view.transfer(transfer).skipped = skipped;
            Ok((transfer, effects))
        });
        match offered {
            Ok((transfer, effects)) => {
                self.enter(effects, Some(Answer { to: answer, with: Answering::Transfer(transfer) })).await
            }
            Err(error) => {
                let _ = answer.send(Err(error));
                Ok(())
            }
        }
    }

    async fn offer(&mut self, whom: &str, handles: &[String], answer: To) -> Result<(), StoreError> {
        let (room, effects) = match self.resolve(whom) {
            Ok(resolved) => resolved,
            Err(error) => {
                let _ = answer.send(Err(error));
                return Ok(());
            }
        };
        self.enter(effects, None).await?;
        if let Err(error) = self.check_writing(room) {
            let _ = answer.send(Err(error));
            return Ok(());
        }
        let paths: Result<Vec<PathBuf>, ApiError> = handles.iter().map(|handle| self.path(handle)).collect();
        let audience = match self.node.room(room).map(|room| room.record().kind) {
            Some(RoomKind::Direct(peer)) => Audience::Peer(peer),
            Some(RoomKind::Private) => Audience::Members(room),
            Some(RoomKind::Open) | None => Audience::Anyone,
        };
        let (shelf, reports, me) = (self.shelf.clone(), self.reports.clone(), self.node.me());
        let (pasted, profile) = (Pasted::of(&self.config.profile), self.config.profile.clone());
        tokio::spawn(async move {
            let result = async {
                let paths = paths?;
                let found = survey(paths.clone(), Some(profile)).await.map_err(unoffered)?;
                let mut random = [0; 8];
                getrandom::fill(&mut random)
                    .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
                let (transfer, offer) = (TransferId::new(me, random), found.offer.clone());
                let skipped = found.skipped;
                let kept = tokio::task::spawn_blocking(move || pasted.keep(transfer, &paths)).await;
                kept.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|error| {
                    says!(ErrorCode::Storage, "The picture could not be kept: {error}.", error)
                })?;
                shelf.put(transfer, found, audience).await.map_err(|error| {
                    says!(ErrorCode::Storage, "The offer could not be saved: {error}.", error)
                })?;
                Ok((transfer, offer, skipped))
            };
            let result = result.await;
            let _ = reports.send(Report::Surveyed(Box::new(Offering { room, result, answer }))).await;
        });
        Ok(())
    }

    async fn configure(&mut self, chosen: Command) -> Result<Outcome, ApiError> {
        let Command::Configure {
            name,
            avatar,
            downloads,
            history_days,
            history_bytes,
            hold_for_others,
            hold_bytes,
            upload_limit,
            download_limit,
            transfers_at_once,
            relay,
        } = chosen
        else {
            return Err(says!(ErrorCode::Internal, "This is no choice of settings."));
        };
        self.config.policy.check([
            (Locked::HistoryDays, history_days.is_some()),
            (Locked::HistoryBytes, history_bytes.is_some()),
            (Locked::HoldForOthers, hold_for_others.is_some()),
            (Locked::Relay, relay.is_some()),
        ])?;
        let mut settings = self.settings.clone();
        if let Some(name) = &name {
            settings.name = Some(own_name(name)?);
            settings.named = true;
        }
        if let Some(avatar) = &avatar {
            settings.avatar = Some(chosen_avatar(avatar)?);
        }
        if let Some(handle) = &downloads {
            settings.downloads = Some(self.folder(handle)?);
        }
        settings.history_days = history_days.or(settings.history_days);
        if let Some(bytes) = history_bytes {
            if bytes < MIN_HISTORY_BYTES {
                return Err(invalid(saying!("History needs 16 MiB at least.")));
            }
            settings.history_bytes = Some(bytes);
        }
        choose_holding(&mut settings, hold_for_others, hold_bytes)?;
        choose_limits(&mut settings, upload_limit, download_limit, transfers_at_once)?;
        settings.relay = relay.or(settings.relay);
        self.settings = settings.clone();
        self.limit_relaying();
        if history_days.is_some() || history_bytes.is_some() {
            self.keep_history();
        }
        let mut effects = self.limit_holding();
        effects.extend(self.limit_transfers());
        let renamed = settings.name.as_deref().filter(|_| name.is_some());
        let shown = settings.avatar.clone().filter(|_| avatar.is_some());
        if renamed.is_some() || shown.is_some() {
            effects.extend(self.node.introduce(renamed, shown, self.clock.now()));
            self.called_myself();
        }
        let kept = self.store.set_settings(settings).await?;
        self.gate.wait_for(kept);
        Ok(Outcome::After(effects, Answering::Me(Box::new(self.me()))))
    }

    /// The room that `to` means; a direct conversation is opened if it was not.
    pub fn resolve(&mut self, to: &str) -> Result<(RoomId, Effects), ApiError> {
        let Some(person) = to.strip_prefix('@') else {
            return self.find_room(to).map(|room| (room, Effects::default()));
        };
        let peer = self.find_peer(person)?;
        self.node.converse(peer, self.clock.now()).map_err(refused)
    }

    /// The one person that a name or the beginning of an id means.
    pub fn find_peer(&self, wanted: &str) -> Result<PeerId, ApiError> {
        if let Some(peer) = PeerId::parse(wanted) {
            return Ok(peer);
        }
        let named = |name: &str| name.to_lowercase() == wanted.to_lowercase();
        let prefix = wanted.to_lowercase();
        let mut found: Vec<PeerId> =
            self.node.presence().peers().filter(|peer| named(&peer.name)).map(|peer| peer.id).collect();
        if found.is_empty() && prefix.len() >= MIN_ID_PREFIX {
            let by_id = self.node.presence().peers().filter(|peer| peer.id.to_string().starts_with(&prefix));
            found = by_id.map(|peer| peer.id).collect();
        }
        match found[..] {
            [one] => Ok(one),
            [] => {
                let code = ErrorCode::NotFound;
                Err(says!(code, "Nobody here is called “{wanted}”. See who is: lanyard peers", wanted))
            }
            _ => {
                let choices: Vec<String> = found.iter().map(|peer| format!("@{}", peer.short())).collect();
                let choices = choices.join(", ");
                let sentence =
                    saying!("Several people are called “{wanted}”. Choose one: {choices}", wanted, choices);
                Err(invalid(sentence))
            }
        }
    }

    pub fn find_transfer(&self, wanted: &str) -> Result<TransferId, ApiError> {
        if let Some(id) = TransferId::parse(wanted).filter(|id| self.node.transfer(*id).is_some()) {
            return Ok(id);
        }
        let matching = self.node.transfers().map(|record| record.id).filter(|id| id.is_meant(wanted));
        let found: Vec<TransferId> = matching.take(2).collect();
        match found[..] {
            [one] => Ok(one),
            [] => {
                let code = ErrorCode::NoSuch;
                Err(says!(code, "There is no open transfer “{wanted}”. See them: lanyard transfers", wanted))
            }
            _ => Err(invalid(saying!(
                "Several transfers begin with “{wanted}”: write more of the id.",
                wanted
            ))),
        }
    }

    fn admit(&mut self, path: &str) -> Result<crate::api::FileHandle, ApiError> {
        let path = read_path(path);
        self.handles.admit(&path).map_err(|error| {
            let code = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorCode::NoSuch,
                _ => ErrorCode::Storage,
            };
            says!(code, "{path} cannot be used: {error}.", path, error)
        })
    }

    pub fn path(&self, handle: &str) -> Result<PathBuf, ApiError> {
        self.handles
            .path(handle)
            .ok_or_else(|| invalid(saying!("This choice of files is no longer known. Choose them again.")))
    }

    pub fn folder(&self, handle: &str) -> Result<PathBuf, ApiError> {
        let path = self.path(handle)?;
        if path.is_dir() { Ok(path) } else { Err(invalid(saying!("{path} is not a folder.", path))) }
    }

    pub fn download_folder(&self) -> PathBuf {
        self.settings.downloads.clone().unwrap_or_else(|| self.config.profile.join("downloads"))
    }
}

pub(super) fn done(effects: Effects) -> Outcome {
    Outcome::After(effects, Answering::Ready(Box::new(Reply::Done)))
}

pub fn invalid(sentence: Saying) -> ApiError {
    ApiError::says(ErrorCode::Invalid, sentence)
}

/// The sentences of refusals are the protocol's, and have no holes: the test `sentences_are_fresh` knows them all.
pub fn refused(refusal: Refusal) -> ApiError {
    let sentence = refusal.to_string();
    let mut characters = sentence.chars();
    let capital: String =
        characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect();
    let code = match refusal {
        Refusal::Transfer(lanyard_proto::transfer::Refusal::Unknown) => ErrorCode::NoSuch,
        Refusal::NoRoom | Refusal::NoInvite | Refusal::NoCall | Refusal::NothingRings => ErrorCode::NoSuch,
        Refusal::NoMember => ErrorCode::NotFound,
        Refusal::NotMember
        | Refusal::NotAdmin
        | Refusal::NotCreator
        | Refusal::Flooding
        | Refusal::TooManyDeeds => ErrorCode::Refused,
        Refusal::Transfer(
            lanyard_proto::transfer::Refusal::Over
            | lanyard_proto::transfer::Refusal::TooMany
            | lanyard_proto::transfer::Refusal::Running
            | lanyard_proto::transfer::Refusal::Withdrawn
            | lanyard_proto::transfer::Refusal::NotPaused
            | lanyard_proto::transfer::Refusal::NotQueued
            | lanyard_proto::transfer::Refusal::NotOver,
        )
        | Refusal::NotYourMessage
        | Refusal::NotYoursToDelete
        | Refusal::FullCall => ErrorCode::Refused,
        _ => ErrorCode::Invalid,
    };
    ApiError::says(code, Saying::fixed(format!("{capital}.")))
}

fn unoffered(error: SurveyError) -> ApiError {
    let code = match error {
        SurveyError::Unreadable { .. } => ErrorCode::Storage,
        _ => ErrorCode::Invalid,
    };
    says!(code, "Nothing was offered: {error}.", error)
}

/// Messages of one page.
pub const MAX_PAGE: u32 = 500;
/// Fewer characters of an id are too likely to mean somebody else.
pub const MIN_ID_PREFIX: usize = 4;
