//! Comparing seven emoji with somebody: the connections, and the people at this end. What is said, and in which order, is
//! [`lanyard_proto::trust::Comparison`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use lanyard_proto::model::{ConnId, Instant, PeerId};
use lanyard_proto::trust::{Comparison as Machine, EMOJI, End, SAS_LABEL, Side, Stage};
use lanyard_proto::wire::compare::Compare;

use crate::api::{ApiError, ComparedEmoji, Comparison, ComparisonState, ErrorCode, Event, Reply, Trust};
use crate::engine::commands::{Outcome, invalid};
use crate::engine::handle::Shell;
use crate::engine::run::{Report, Run};
use crate::net::framing::{Deadlines, spawn_sync_within};
use crate::net::stream::{Secure, dial};
use crate::net::tls::Purpose;
use crate::saying;
use crate::saying::Saying;
use crate::says;
use crate::store::StoreError;

/// Comparisons that are not over, one with each device.
#[derive(Default)]
pub struct Comparing {
    open: BTreeMap<PeerId, Open>,
    /// Until when nobody here is asked by a device again, however the last time ended.
    rest: BTreeMap<PeerId, Instant>,
    /// Until when nobody here is asked by any device that is not verified: keys cost nothing.
    strangers_rest: Option<Instant>,
    /// Matches of which it is not written down yet that the devices are verified.
    matched: BTreeSet<PeerId>,
    /// Whose command is being carried out.
    pub(super) shell: Shell,
}

/// One comparison.
struct Open {
    /// Tells it from an earlier one with the same device.
    number: u64,
    /// Whether a person here wanted it, too, that was begun there.
    agreed: bool,
    /// Where that person is: if that program ends, nobody is left who looks at the emoji.
    shell: Shell,
    line: Line,
}

enum Line {
    /// The device is being reached; or it is waited for, because it calls at the same moment. Until when.
    Calling(Instant),
    Connected(ConnId, Machine),
}

/// What the tasks of a comparison have to say.
#[allow(clippy::large_enum_variant, reason = "one at a time, and never stored")]
pub enum ComparisonReport {
    Reached {
        peer: PeerId,
        number: u64,
        result: io::Result<Secure>,
    },
    /// It is time to look whether it took too long.
    Timer {
        peer: PeerId,
        number: u64,
    },
}

impl Comparing {
    /// With whom a connection is about a comparison.
    pub fn is_about(&self, conn: ConnId) -> Option<PeerId> {
        let mut open = self.open.iter();
        open.find(|(_, open)| matches!(open.line, Line::Connected(of, _) if of == conn))
            .map(|(peer, _)| *peer)
    }

    /// How many devices ask to which nobody here has said yes.
    fn asking(&self) -> usize {
        let asks = |open: &&Open| matches!(&open.line, Line::Connected(_, machine) if machine.stage() == Stage::Asked);
        self.open.values().filter(asks).count()
    }

    /// Whether nobody here is asked by a device at this moment.
    fn is_resting(&self, peer: PeerId, trust: Trust, now: Instant) -> bool {
        let strangers = self.strangers_rest.filter(|_| trust != Trust::Verified);
        let rests = [self.rest.get(&peer).copied(), strangers];
        rests.into_iter().flatten().any(|until| until > now)
    }
}

impl Run {
    /// A person wants to compare, or agrees to what the other side began.
    pub(super) fn compare(&mut self, peer: PeerId) -> Result<Outcome, ApiError> {
        let now = self.clock.now().instant;
        if self.hides(peer) {
            return Err(self.blocked(peer));
        }
        let shell = self.comparing.shell;
        let open = self.comparing.open.get_mut(&peer);
        let wanted = open.map(|open| {
            (open.agreed, open.shell) = (true, shell);
            &mut open.line
        });
        match wanted {
            None => self.call(peer, now)?,
            Some(Line::Calling(_)) => {}
            Some(Line::Connected(conn, machine)) => {
                let (conn, said) = (*conn, machine.agree(now));
                self.say_in_comparison(peer, conn, said);
            }
        }
        self.tell_of_comparison(peer);
        self.show_comparison(peer).map(|shown| Outcome::Now(Reply::Comparison(shown)))
    }

    /// A person says whether both see the same.
    pub(super) async fn compared(&mut self, peer: PeerId, same: bool) -> Result<Outcome, ApiError> {
        let shell = self.comparing.shell;
        let shown = match self.comparing.open.get_mut(&peer) {
            Some(Open { line: Line::Connected(conn, machine), shell: by, .. })
                if matches!(machine.stage(), Stage::Shown { .. }) =>
            {
                *by = shell;
                let (conn, said) = (*conn, machine.compared(same));
                let shown = self.as_shown(peer);
                self.say_in_comparison(peer, conn, said);
                // As it is by now: it may be over.
                self.as_shown(peer).or(shown)
            }
            _ => None,
        };
        let Some(shown) = shown else {
            return Err(invalid(saying!("There are no emoji to compare right now.")));
        };
        self.end_comparison_if_over(peer).await?;
        Ok(Outcome::Now(Reply::Comparison(shown)))
    }

    /// A person does not want to, or no longer.
    pub(super) fn cancel_comparison(&mut self, peer: PeerId) -> Result<Outcome, ApiError> {
        let shown = self.show_comparison(peer)?;
        self.drop_comparison(peer);
        Ok(Outcome::Now(Reply::Comparison(Comparison {
            state: ComparisonState::Ended,
            emoji: Vec::new(),
            error: Some(ended(End::Cancelled, &self.name_of(peer))),
            ..shown
        })))
    }

    /// A program ended from which people compared.
    pub(super) fn shell_left(&mut self, shell: Shell) {
        let began = self.comparing.open.iter().filter(|(_, open)| open.shell == shell);
        for peer in began.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.drop_comparison(peer);
        }
    }

    /// Ends a comparison from this side.
    pub(super) fn drop_comparison(&mut self, peer: PeerId) {
        if let Some(Open { line: Line::Connected(conn, machine), .. }) = self.comparing.open.get_mut(&peer)
            && let (conn, Some(said)) = (*conn, machine.cancel())
        {
            self.send_frame(conn, said.encode());
        }
        self.cut_comparison(peer);
    }

    /// The same without a word to the other side.
    pub(super) fn cut_comparison(&mut self, peer: PeerId) {
        if self.comparing.open.contains_key(&peer) {
            self.close_comparison(peer);
            self.tell_of_end(peer, End::Cancelled);
        }
    }

    /// A comparison is over. Whoever began it from outside does not ask again at once; whoever began here may be called back.
    fn close_comparison(&mut self, peer: PeerId) {
        let now = self.clock.now().instant;
        let is_stranger = self.trust_of(peer) != Trust::Verified;
        let Some(Open { agreed, line: Line::Connected(conn, machine), .. }) =
            self.comparing.open.remove(&peer)
        else {
            return;
        };
        self.hang_up_comparison(conn);
        // Whom somebody here agreed to compare with may ask again at once: the two are about it.
        if machine.side() == Side::Asked && !agreed {
            self.comparing.rest.retain(|_, until| *until > now);
            self.comparing.rest.insert(peer, now + REST);
            if is_stranger {
                self.comparing.strangers_rest = Some(now + STRANGERS_REST);
            }
        }
    }

    /// A device connected to compare.
    pub(super) fn asked_to_compare(&mut self, secure: Secure) {
        let (peer, now) = (secure.peer(), self.clock.now().instant);
        let is_resting = self.comparing.is_resting(peer, self.trust_of(peer), now);
        // A person is asked about somebody who can be seen here, and by a few at a time.
        let is_known = self.node.presence().peer(peer).is_some();
        let agreed = match self.comparing.open.get(&peer) {
            // Both called at the same moment: the call of the lower id is the one, at both ends.
            Some(open) if self.node.me() > peer => matches!(open.line, Line::Calling(_)) || open.is_waiting(),
            Some(_) => return,
            None => false,
        };
        if (is_resting && !agreed) || !is_known || (!agreed && self.comparing.asking() >= MAX_ASKING) {
            tracing::debug!(peer = %peer.short(), "nobody is asked to compare with it now");
            return;
        }
        let before = self.comparing.open.remove(&peer);
        if let Some(Open { line: Line::Connected(conn, _), .. }) = before {
            self.hang_up_comparison(conn);
        }
        let Some((conn, exporter, nonce)) = self.take_line(secure) else { return };
        let mut machine = Machine::asked(self.node.me(), peer, exporter, nonce, now);
        let said = if agreed { machine.agree(now) } else { None };
        // Who called here is there still.
        let shell = before.filter(|_| agreed).map(|open| open.shell);
        self.open_comparison(peer, shell, Line::Connected(conn, machine));
        self.say_in_comparison(peer, conn, said);
        self.tell_of_comparison(peer);
    }

    /// The other side said something on a connection about a comparison.
    pub(super) async fn heard_in_comparison(&mut self, peer: PeerId, bytes: &[u8]) -> Result<(), StoreError> {
        let now = self.clock.now().instant;
        let Some(Open { line: Line::Connected(conn, machine), .. }) = self.comparing.open.get_mut(&peer)
        else {
            return Ok(());
        };
        let conn = *conn;
        let said = match Compare::decode(bytes) {
            Ok(said) => machine.heard(said, now),
            Err(_) => {
                machine.heard_nonsense();
                None
            }
        };
        self.say_in_comparison(peer, conn, said);
        self.end_comparison_if_over(peer).await
    }

    /// A connection about a comparison is gone.
    pub(super) async fn comparison_closed(&mut self, peer: PeerId) -> Result<(), StoreError> {
        let now = self.clock.now().instant;
        let calls_too = self.node.me() > peer;
        let Some(open) = self.comparing.open.get_mut(&peer) else { return Ok(()) };
        if open.is_waiting() && calls_too {
            // It may have hung up because it calls itself at this moment: that call is the one, see above.
            open.line = Line::Calling(now + CALLS_TOO);
            let number = open.number;
            self.look_later(peer, number, CALLS_TOO);
            return Ok(());
        }
        if let Line::Connected(_, machine) = &mut open.line {
            machine.closed();
        }
        self.end_comparison_if_over(peer).await
    }

    pub(super) async fn comparison_report(&mut self, report: ComparisonReport) -> Result<(), StoreError> {
        let now = self.clock.now().instant;
        match report {
            ComparisonReport::Reached { peer, number, result } => {
                let is_this = |open: &&Open| open.number == number && matches!(open.line, Line::Calling(_));
                if self.comparing.open.get(&peer).filter(is_this).is_none() {
                    return Ok(());
                }
                match result {
                    Ok(secure) => self.reached_to_compare(secure),
                    Err(error) => {
                        tracing::debug!(peer = %peer.short(), %error, "could not be reached to compare");
                        self.comparing.open.remove(&peer);
                        let name = self.name_of(peer);
                        let error = says!(
                            ErrorCode::Network,
                            "The device of {name} cannot be reached directly: {error}. Let {name} begin, or compare the sixty \
                             digits.",
                            name,
                            error
                        );
                        self.tell_ended(peer, Some(error), Alarm::No);
                    }
                }
                Ok(())
            }
            ComparisonReport::Timer { peer, number } => {
                let Some(open) = self.comparing.open.get_mut(&peer).filter(|open| open.number == number)
                else {
                    return Ok(());
                };
                match &mut open.line {
                    Line::Calling(until) if *until <= now => {
                        self.comparing.open.remove(&peer);
                        self.tell_of_end(peer, End::TimedOut);
                        Ok(())
                    }
                    Line::Calling(_) => Ok(()),
                    Line::Connected(_, machine) => {
                        machine.timer(now);
                        self.end_comparison_if_over(peer).await
                    }
                }
            }
        }
    }

    fn call(&mut self, peer: PeerId, now: Instant) -> Result<(), ApiError> {
        let addresses = self.node.presence().addresses(peer).to_vec();
        if addresses.is_empty() || !self.node.is_online(peer) {
            let name = self.name_of(peer);
            return Err(says!(
                ErrorCode::NotFound,
                "{name} is not here right now. Emoji are compared while both are here; sixty digits at any time.",
                name
            ));
        }
        if self.comparing.open.len() - self.comparing.asking() >= MAX_OPEN {
            return Err(invalid(saying!("You are comparing with several people: finish with one first.")));
        }
        // A call has a bound of its own; this one is for whoever never reports.
        let number = self.open_comparison(peer, Some(self.comparing.shell), Line::Calling(now + CALLING));
        let (credentials, reports) = (self.credentials.clone(), self.reports.clone());
        tokio::spawn(async move {
            let result = dial(&credentials, peer, &addresses, Purpose::Verify).await;
            let reached = ComparisonReport::Reached { peer, number, result };
            // The engine's task may have ended.
            let _ = reports.send(Report::Comparison(Box::new(reached))).await;
        });
        self.look_later(peer, number, CALLING);
        Ok(())
    }

    fn reached_to_compare(&mut self, secure: Secure) {
        let peer = secure.peer();
        let now = self.clock.now().instant;
        let Some((conn, exporter, nonce)) = self.take_line(secure) else {
            self.comparing.open.remove(&peer);
            return self.tell_of_end(peer, End::Lost);
        };
        let (machine, commit) = Machine::ask(self.node.me(), peer, exporter, nonce, now);
        if let Some(open) = self.comparing.open.get_mut(&peer) {
            open.line = Line::Connected(conn, machine);
        }
        self.say_in_comparison(peer, conn, Some(commit));
        self.tell_of_comparison(peer);
    }

    /// Starts the task of a connection; with what only its two ends know, and this end's share.
    fn take_line(&mut self, secure: Secure) -> Option<(ConnId, [u8; 32], [u8; 32])> {
        let mut nonce = [0; 32];
        let exporter = secure.stream.exporter(SAS_LABEL).ok()?;
        getrandom::fill(&mut nonce).ok()?;
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        let writer = spawn_sync_within(DEADLINES, conn, secure.stream, self.sync_events.clone());
        self.conns.insert(conn, writer);
        Some((conn, exporter, nonce))
    }

    /// Of those whom a person wanted it is known where that person is.
    fn open_comparison(&mut self, peer: PeerId, shell: Option<Shell>, line: Line) -> u64 {
        self.next_conn += 1;
        let number = self.next_conn;
        let (agreed, shell) = (shell.is_some(), shell.unwrap_or_default());
        self.comparing.open.insert(peer, Open { number, agreed, shell, line });
        number
    }

    /// Sends what is to be said, and sees to it that the next step does not take for ever.
    fn say_in_comparison(&mut self, peer: PeerId, conn: ConnId, said: Option<Compare>) {
        if let Some(said) = said {
            self.send_frame(conn, said.encode());
        }
        let now = self.clock.now().instant;
        let Some(open) = self.comparing.open.get(&peer) else { return };
        let Line::Connected(_, machine) = &open.line else { return };
        if let Some(at) = machine.deadline() {
            self.look_later(peer, open.number, at.since(now));
        }
    }

    fn look_later(&self, peer: PeerId, number: u64, after: Duration) {
        let reports = self.reports.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after + TICK).await;
            // The engine's task may have ended.
            let _ =
                reports.send(Report::Comparison(Box::new(ComparisonReport::Timer { peer, number }))).await;
        });
    }

    async fn end_comparison_if_over(&mut self, peer: PeerId) -> Result<(), StoreError> {
        let Some(Open { line: Line::Connected(_, machine), .. }) = self.comparing.open.get(&peer) else {
            return Ok(());
        };
        match machine.stage() {
            Stage::Matched => {
                self.close_comparison(peer);
                self.comparing.matched.insert(peer);
                self.matched(peer).await?;
            }
            Stage::Ended(end) => {
                self.close_comparison(peer);
                self.tell_of_end(peer, end);
            }
            _ => self.tell_of_comparison(peer),
        }
        Ok(())
    }

    fn hang_up_comparison(&self, conn: ConnId) {
        if let Some(writer) = self.conns.get(&conn) {
            writer.close();
        }
    }

    /// Those that are not over.
    pub fn comparisons(&self) -> Vec<Comparison> {
        self.comparing.open.keys().filter_map(|peer| self.as_shown(*peer)).collect()
    }

    fn show_comparison(&self, peer: PeerId) -> Result<Comparison, ApiError> {
        let name = self.name_of(peer);
        self.as_shown(peer).ok_or_else(|| {
            says!(
                ErrorCode::NoSuch,
                "There is no comparison with {name}. Begin one: lanyard verify --emoji",
                name
            )
        })
    }

    fn as_shown(&self, peer: PeerId) -> Option<Comparison> {
        let open = self.comparing.open.get(&peer)?;
        let (state, emoji, end) = match &open.line {
            Line::Calling(_) => (ComparisonState::Calling, Vec::new(), None),
            Line::Connected(_, machine) => match machine.stage() {
                Stage::Waiting => (ComparisonState::Waiting, Vec::new(), None),
                Stage::Asked => (ComparisonState::Asked, Vec::new(), None),
                Stage::Settling => (ComparisonState::Settling, Vec::new(), None),
                Stage::Shown { emoji, here: true, .. } => (ComparisonState::Confirmed, compared(emoji), None),
                Stage::Shown { emoji, here: false, .. } => (ComparisonState::Shown, compared(emoji), None),
                Stage::Matched => (ComparisonState::Matched, Vec::new(), None),
                Stage::Ended(end) => (ComparisonState::Ended, Vec::new(), Some(end)),
            },
        };
        let (error, alarm) = self.why(peer, end);
        Some(Comparison { peer: peer.to_string(), state, emoji, error, alarm: alarm == Alarm::Yes })
    }

    fn tell_of_comparison(&self, peer: PeerId) {
        if let Some(comparison) = self.as_shown(peer) {
            self.tell(Event::Comparison { comparison });
        }
    }

    fn tell_of_end(&self, peer: PeerId, end: End) {
        let (error, alarm) = self.why(peer, Some(end));
        self.tell_ended(peer, error, alarm);
    }

    /// Somebody is verified, and it is written down: if both people compared, that is over.
    pub(super) fn tell_if_matched(&mut self, peer: PeerId) {
        if self.comparing.matched.remove(&peer) {
            let (peer, state) = (peer.to_string(), ComparisonState::Matched);
            let comparison = Comparison { peer, state, emoji: Vec::new(), error: None, alarm: false };
            self.tell(Event::Comparison { comparison });
        }
    }

    fn tell_ended(&self, peer: PeerId, error: Option<ApiError>, alarm: Alarm) {
        let comparison = Comparison {
            peer: peer.to_string(),
            state: ComparisonState::Ended,
            emoji: Vec::new(),
            error,
            alarm: alarm == Alarm::Yes,
        };
        self.tell(Event::Comparison { comparison });
    }

    fn why(&self, peer: PeerId, end: Option<End>) -> (Option<ApiError>, Alarm) {
        let alarm = match end {
            Some(End::Different | End::DifferentThere | End::Forged) => Alarm::Yes,
            _ => Alarm::No,
        };
        let name = self.name_of(peer);
        let error = end.map(|end| match (alarm, self.trust_of(peer)) {
            (Alarm::Yes, Trust::Verified) => still_verified(ended(end, &name), &name, &peer.short()),
            _ => ended(end, &name),
        });
        (error, alarm)
    }
}

impl Open {
    /// Whether it was begun here and the other side has said nothing yet.
    fn is_waiting(&self) -> bool {
        matches!(&self.line, Line::Connected(_, machine) if machine.stage() == Stage::Waiting)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alarm {
    Yes,
    No,
}

fn compared(emoji: [u8; 7]) -> Vec<ComparedEmoji> {
    let shown = emoji.into_iter().map(|number| {
        let emoji = EMOJI[usize::from(number % 64)];
        ComparedEmoji { number, symbol: emoji.symbol.to_owned(), name: emoji.name.to_owned() }
    });
    shown.collect()
}

/// What goes wrong now takes nothing back that a person decided before.
fn still_verified(error: ApiError, name: &str, short: &str) -> ApiError {
    let Some(what) = error.says else { return error };
    says!(
        error.code,
        "{what} {name} was verified before, and still is. To take that back: lanyard verify @{short} --undo",
        what,
        name,
        short
    )
}

fn ended(end: End, name: &str) -> ApiError {
    let (code, sentence): (ErrorCode, Saying) = match end {
        End::Cancelled => (ErrorCode::Refused, saying!("You ended the comparison.")),
        End::CancelledThere => {
            (ErrorCode::Refused, saying!("{name} does not want to compare, or no longer.", name))
        }
        End::Different => (
            ErrorCode::Refused,
            saying!(
                "You saw other emoji than {name}: somebody may be in between, or one of you misread. Nothing was verified. Send \
                 nothing secret, and compare again or in person.",
                name
            ),
        ),
        End::DifferentThere => (
            ErrorCode::Refused,
            saying!(
                "{name} says that the emoji are different: somebody may be in between, or one of you misread. Nothing \
                 was verified. Send nothing secret, and compare again or in person.",
                name
            ),
        ),
        End::Forged => (
            ErrorCode::Refused,
            saying!(
                "The other side tried to choose which emoji you see: somebody is in between, or runs another program. Nothing was \
                 verified."
            ),
        ),
        End::Nonsense => (
            ErrorCode::Network,
            saying!("The other side said something that makes no sense. Update both programs."),
        ),
        End::TimedOut => (
            ErrorCode::TimedOut,
            saying!(
                "{name} did not answer in time. Tell {name} to have the window open, and begin again.",
                name
            ),
        ),
        End::Lost => (ErrorCode::Network, saying!("The connection to {name} was lost. Begin again.", name)),
    };
    ApiError::says(code, sentence)
}

/// The machine has deadlines of its own; a connection lives a little longer than all of them together.
const DEADLINES: Deadlines = Deadlines {
    first: Duration::from_secs(300),
    idle: Duration::from_secs(600),
    linger: Duration::from_secs(2),
};
/// A dial takes ten seconds at the most.
const CALLING: Duration = Duration::from_secs(15);
/// For the call of the other side to arrive, where both called.
const CALLS_TOO: Duration = Duration::from_secs(10);
/// So that a deadline has passed when it is looked at.
const TICK: Duration = Duration::from_millis(5);
/// For how long somebody who asked before asks in vain.
const REST: Duration = Duration::from_secs(30);
/// The same for all strangers, after any of them: long enough for a person to do something else in between, and to call somebody
/// who asks in vain.
const STRANGERS_REST: Duration = Duration::from_secs(10);
/// Comparisons at a time that people here began or agreed to: a person looks at one.
const MAX_OPEN: usize = 4;
/// Devices that ask at a time, beside those.
const MAX_ASKING: usize = 2;
