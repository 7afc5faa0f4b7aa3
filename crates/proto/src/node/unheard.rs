//! Those whom multicast does not reach: who is here is told on to them over standing connections, and what concerns them alone
//! goes over a connection that is dialled for it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::effects::{Effects, Event};
use crate::model::{ConnId, Instant, Now, PeerId, RoomId, Seq};
use crate::node::Node;
use crate::node::linking::{PATIENCE, silence};
use crate::node::retry::Retry;
use crate::node::roster::{announcements, reachable};
use crate::pacing::earliest;
use crate::presence::MAX_PEERS;
use crate::rooms::RoomKind;
use crate::wire::datagram::Announcement;
use crate::wire::frame::{MAX_ANNOUNCEMENTS, Relayed};

#[derive(Default)]
pub(super) struct Unheard {
    /// What was announced since others were last told, and over which connection it came if not by multicast.
    news: BTreeMap<PeerId, (Relayed, Option<ConnId>)>,
    news_bytes: usize,
    /// When others are told, if somebody came, and when they were.
    tell_at: Option<Instant>,
    told_at: Option<Instant>,
    /// When it is seen who lacks what was said, where no standing connection is reminded of that.
    reach_at: Option<Instant>,
    /// The connection over which announcements are just coming.
    pub(super) coming: Option<ConnId>,
    /// Devices that are heard by multicast, until their next announcements should long have come.
    on_air: BTreeMap<PeerId, OnAir>,
    /// Devices that are not, and were dialled because they lack something of a room; and what they had of it then.
    dialled_for: BTreeMap<(RoomId, PeerId), (Retry, Seq)>,
}

/// A device that was heard without a link.
#[derive(Clone, Copy)]
struct OnAir {
    until: Instant,
    /// Since when it is heard without a pause.
    since: Instant,
    /// When it last spoke in a room: that goes by multicast only, where announcements go by broadcast, too.
    in_rooms: Option<Instant>,
    /// When somebody last carried something of it.
    carried: Option<Instant>,
}

impl Unheard {
    /// When others are to be told who came, or reached.
    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(self.tell_at, self.reach_at)
    }

    /// Nobody is left to be told.
    pub(super) fn forget_news(&mut self) {
        self.news.clear();
        (self.news_bytes, self.tell_at) = (0, None);
    }

    fn note(&mut self, sender: PeerId, relayed: Relayed) {
        let before = self.news.get(&sender).map_or(0, |(known, _)| known.datagram.len());
        let bytes = self.news_bytes - before + relayed.datagram.len();
        // What finds no place is announced again.
        let fits = bytes <= MAX_NEWS_BYTES && (before > 0 || self.news.len() < MAX_ANNOUNCEMENTS);
        if fits {
            self.news.insert(sender, (relayed, self.coming));
            self.news_bytes = bytes;
        }
    }

    /// Whoever announces itself by multicast is heard so until several announcements were missed.
    pub(super) fn note_on_air(&mut self, sender: PeerId, said: &Announcement, now: Instant) {
        let until = now + (Duration::from_secs(u64::from(said.interval)) * 4).min(LONGEST_ON_AIR);
        if let Some(heard) = self.heard(sender, now) {
            if heard.until + PAUSE < now {
                heard.since = now;
            }
            heard.until = until;
        }
    }

    /// Whoever speaks in rooms by multicast is heard there.
    pub(super) fn note_in_rooms(&mut self, sender: PeerId, now: Instant) {
        if let Some(heard) = self.heard(sender, now) {
            heard.in_rooms = Some(now);
        }
    }

    /// Somebody says on the group what a device said over a link.
    pub(super) fn note_carried(&mut self, sender: PeerId, now: Instant) {
        if let Some(heard) = self.on_air.get_mut(&sender) {
            heard.carried = Some(now);
        }
    }

    /// `None` where something comes over a link, or there is no room.
    fn heard(&mut self, sender: PeerId, now: Instant) -> Option<&mut OnAir> {
        if self.coming.is_some() {
            return None;
        }
        if self.on_air.len() >= MAX_PEERS {
            self.on_air.retain(|_, heard| heard.until > now);
        }
        let fits = self.on_air.len() < MAX_PEERS || self.on_air.contains_key(&sender);
        fits.then(|| {
            self.on_air.entry(sender).or_insert(OnAir {
                until: now,
                since: now,
                in_rooms: None,
                carried: None,
            })
        })
    }

    /// Whether a device is heard by multicast.
    pub(super) fn is_on_air(&self, peer: PeerId, now: Instant) -> bool {
        self.on_air.get(&peer).is_some_and(|heard| heard.until > now)
    }

    /// Whether what a device says in rooms is heard by multicast: everybody speaks there again and again, the more rarely
    /// the more are here.
    pub(super) fn is_heard_in_rooms(&self, peer: PeerId, here: usize, now: Instant) -> bool {
        let spoke = self.on_air.get(&peer).and_then(|heard| heard.in_rooms);
        spoke.is_some_and(|at| now.since(at) < silence(here))
    }

    /// Whether a device announces itself, and was not heard in rooms since it did or for longer than `patience`.
    pub(super) fn is_silent(&self, peer: PeerId, patience: Duration, now: Instant) -> bool {
        let heard = self.on_air.get(&peer).filter(|heard| heard.until > now);
        heard.is_some_and(|heard| now.since(heard.since.max(heard.in_rooms.unwrap_or_default())) >= patience)
    }

    /// A device left.
    pub(super) fn left(&mut self, peer: PeerId) {
        self.on_air.remove(&peer);
    }

    /// Since when a device announces itself by multicast or broadcast.
    pub(super) fn since(&self, peer: PeerId) -> Option<Instant> {
        self.on_air.get(&peer).map(|heard| heard.since)
    }

    /// Whether something of a device was carried within this.
    pub(super) fn is_carried(&self, peer: PeerId, within: Duration, now: Instant) -> bool {
        let carried = self.on_air.get(&peer).and_then(|heard| heard.carried);
        carried.is_some_and(|at| now.since(at) < within)
    }

    /// Those who are heard by multicast or broadcast.
    pub(super) fn on_air(&self, now: Instant) -> impl Iterator<Item = PeerId> {
        self.on_air.iter().filter(move |(_, heard)| heard.until > now).map(|(peer, _)| *peer)
    }

    /// Whether anybody but this one is heard there.
    pub(super) fn hears_others(&self, but: PeerId, here: usize, now: Instant) -> bool {
        self.on_air.keys().any(|peer| *peer != but && self.is_heard_in_rooms(*peer, here, now))
    }
}

impl Node {
    /// When somebody is to be told who came, reached or linked to.
    pub(super) fn reaching_deadline(&self) -> Option<Instant> {
        earliest(self.unheard.deadline(), self.linking.deadline())
    }

    /// Somebody announced itself. Where there are standing connections it is told on over them with the next reminder; of
    /// somebody who was not here before soon.
    pub(super) fn pass_on_announcement(
        &mut self,
        sender: PeerId,
        relayed: Relayed,
        told: &[Event],
        now: Instant,
    ) {
        if self.remind_at.is_none() {
            return;
        }
        self.unheard.note(sender, relayed);
        if told.iter().any(|event| matches!(event, Event::PeerOnline(_))) {
            let rested = self.unheard.told_at.map_or(now, |at| at + TELL_REST);
            self.unheard.tell_at = earliest(self.unheard.tell_at, Some(rested.max(now)));
        }
    }

    /// Tells who came, when that is due.
    pub(super) fn tell_arrivals(&mut self, now: Instant) -> Effects {
        let due = self.unheard.tell_at.is_some_and(|at| at <= now);
        if due { self.tell_news(now) } else { Effects::default() }
    }

    /// Tells what was announced since to the other ends of standing connections that are not heard by multicast, so they do
    /// not hear the others either, or say that they do not hear this device. Each announcement is new to everybody once, so it goes no rounds.
    pub(super) fn tell_news(&mut self, now: Instant) -> Effects {
        let mut effects = Effects::default();
        for session in self.sessions.values().filter(|session| session.standing && session.is_greeted()) {
            if self.unheard.is_on_air(session.peer, now) && !session.is_deaf(now) {
                continue;
            }
            // Where all announce themselves by broadcast, only those are news that came another way.
            let news = self.unheard.news.iter().filter(|(sender, (_, by))| {
                **sender != session.peer
                    && *by != Some(session.conn)
                    && !(session.hears && self.linking.is_deaf() && by.is_none())
                    && self.presence.is_online(**sender)
            });
            let news = news.map(|(_, (relayed, _))| relayed.clone());
            effects.extend(announcements(session.conn, news));
        }
        self.unheard.forget_news();
        self.unheard.told_at = Some(now);
        effects
    }

    /// Where there are standing connections, multicast may not reach everybody. In sealed rooms, whose words pass over nobody
    /// else's connections, those who are here, are not heard so and lack the newest own entry are dialled, and shown what is
    /// here.
    pub(super) fn reach_unheard(&mut self, now: Now) -> Effects {
        let wanted = self.lacking_unheard(now.instant);
        self.unheard.dialled_for.retain(|wish, _| wanted.contains_key(wish));
        let mut effects = Effects::default();
        let mut dials = 0;
        for ((room, peer), holds) in wanted {
            let (retry, held) = self.unheard.dialled_for.entry((room, peer)).or_default();
            if holds > *held {
                // The last dial was not in vain.
                (*retry, *held) = (Retry::default(), holds);
            }
            if !retry.is_due(now.instant) || dials == MAX_DIALS {
                continue;
            }
            retry.rest(DIAL_REST, MAX_DIAL_REST, now.instant);
            let connected = self.sessions.values().find(|session| session.peer == peer && !session.ending);
            let connected = connected.map(|session| session.conn);
            effects.extend(match (connected, reachable(&self.presence, peer)) {
                (Some(conn), _) => self.ask(conn, room),
                (None, Some(addresses)) => self.dial(peer, room, addresses, now),
                (None, None) => continue,
            });
            dials += 1;
        }
        effects
    }

    /// Whether somebody is here of whom nothing but announcements is heard, or not even these.
    fn is_unheard(&self, peer: PeerId, now: Instant) -> bool {
        let patience =
            if self.linking.is_deaf() { PATIENCE } else { silence(self.presence.online_count()) * 2 };
        self.presence.is_online(peer)
            && (!self.unheard.is_on_air(peer, now)
                || self.linking.wants(peer)
                || self.unheard.is_silent(peer, patience, now))
    }

    /// Who of those that are not heard lacks something of this device in which sealed room, and up to where they have it.
    fn lacking_unheard(&self, now: Instant) -> BTreeMap<(RoomId, PeerId), Seq> {
        let unheard = |peer: &PeerId| {
            self.is_unheard(*peer, now)
                && !self.sessions.values().any(|session| session.peer == *peer && session.standing)
        };
        let mut lacking = BTreeMap::new();
        let sealed = self.rooms.iter().filter(|(_, room)| room.record.kind != RoomKind::Open);
        for (id, room) in sealed.filter(|(_, room)| room.speaks()) {
            for peer in room.members().into_iter().filter(unheard) {
                let lacked = room.replica.uncovered(peer);
                if !lacked.is_empty() {
                    lacking.insert((*id, peer), lacked.after);
                }
            }
        }
        lacking
    }

    /// Whom nobody reminds, and whose time has come.
    pub(super) fn reach_when_due(&mut self, now: Now) -> Effects {
        if self.unheard.reach_at.is_none_or(|at| at > now.instant) {
            return Effects::default();
        }
        let effects = self.reach_unheard(now);
        // Whom nobody reminds is not forgotten either.
        let dues = self.unheard.dialled_for.values().map(|(retry, _)| retry.at().unwrap_or(now.instant));
        self.unheard.reach_at =
            dues.min().map(|at| at.max(now.instant + REACH)).filter(|_| self.remind_at.is_none());
        effects
    }

    /// Something was said in a room. If it is a sealed one, it is soon seen who lacks it, and connections over which it went
    /// stay on.
    pub(super) fn reach_soon(&mut self, room: RoomId, now: Instant) {
        let Some(room) = self.rooms.get(&room).filter(|room| room.record.kind != RoomKind::Open) else {
            return;
        };
        if self.remind_at.is_none() {
            // Somebody may be carried whom this device does not hear.
            if room.members().iter().any(|peer| self.is_unheard(*peer, now)) {
                self.unheard.reach_at = earliest(self.unheard.reach_at, Some(now + REACH));
            }
            return;
        }
        self.remind_at = earliest(self.remind_at, Some(now + REACH));
        for session in self.sessions.values_mut().filter(|session| room.is_open_to(session.peer)) {
            session.lingers = session.lingers.map(|_| now + LINGER);
        }
    }

    /// Until when a connection stays that was dialled because the other side lacks something and is not heard: what is said
    /// next shall not wait for another dial.
    pub(super) fn lingers(&self, peer: PeerId, now: Instant) -> Option<Instant> {
        let wanted = self.linking.wants(peer)
            || self.calls.calls(peer)
            || self.unheard.dialled_for.keys().any(|(_, wanted)| *wanted == peer);
        let lingering = self.sessions.values().filter(|session| session.lingers.is_some()).count();
        (wanted && lingering < MAX_LINGERING).then(|| now + LINGER)
    }

    /// Connections over which nothing was said for a while are not kept any longer.
    pub(super) fn end_lingering(&mut self, now: Instant) -> Effects {
        let over =
            self.sessions.values_mut().filter(|session| session.lingers.is_some_and(|until| until <= now));
        let mut ended = Vec::new();
        for session in over {
            (session.standing, session.lingers) = (false, None);
            ended.push(session.conn);
        }
        let mut effects = Effects::default();
        for conn in ended {
            effects.extend(self.hang_up_if_idle(conn));
        }
        effects
    }
}

/// Nobody is heard for longer than four of the longest intervals, whatever it announces.
const LONGEST_ON_AIR: Duration = Duration::from_secs(2400);
/// Of what comes by broadcast only, two in three announcements are not heard: that is no pause.
const PAUSE: Duration = Duration::from_secs(60);
/// What is told of others at a time: some hundred announcements, well below what a connection takes.
const MAX_NEWS_BYTES: usize = 128 << 10;
/// Between two times that arrivals are told: whoever comes and goes costs no more than this.
const TELL_REST: Duration = Duration::from_secs(1);
/// Between two dials to somebody who lacks something and is not heard by multicast,
const DIAL_REST: Duration = Duration::from_secs(8);
/// doubled up to this,
const MAX_DIAL_REST: Duration = Duration::from_secs(600);
/// and so many at a time.
const MAX_DIALS: usize = 8;
/// How soon it is seen who lacks what was just said in a sealed room.
const REACH: Duration = Duration::from_secs(1);
/// How long such a connection is kept after the last word,
const LINGER: Duration = Duration::from_secs(120);
/// and how many.
const MAX_LINGERING: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Transmit;
    use crate::model::Platform;
    use crate::wire::datagram::Query;
    use crate::wire::frame::Frame;

    fn peer(n: usize) -> PeerId {
        let mut id = [9; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        PeerId(id)
    }

    fn long() -> Relayed {
        Relayed { datagram: vec![1; 1200], from: None }
    }

    #[test]
    fn news_of_however_many_are_bounded_and_of_one_device_the_newest_is_kept() {
        let mut unheard = Unheard::default();
        for n in 0..MAX_ANNOUNCEMENTS {
            unheard.note(peer(n), long());
        }
        let held =
            |unheard: &Unheard| unheard.news.values().map(|(one, _)| one.datagram.len()).sum::<usize>();
        assert_eq!(held(&unheard), unheard.news_bytes);
        assert!((MAX_NEWS_BYTES - 1200..=MAX_NEWS_BYTES).contains(&unheard.news_bytes));
        unheard.note(peer(0), Relayed { datagram: vec![2; 100], from: None });
        assert_eq!(unheard.news[&peer(0)].0.datagram, vec![2; 100]);
        assert_eq!(held(&unheard), unheard.news_bytes);
        unheard.forget_news();
        assert_eq!(held(&unheard), unheard.news_bytes);
    }

    #[test]
    fn announcements_go_in_frames_of_which_none_fills_a_connection() {
        let effects = announcements(ConnId(1), (0..300).map(|_| long()));
        let mut count = 0;
        for sent in effects.send {
            let Transmit::Frame { bytes, .. } = sent else { panic!("frames only") };
            assert!(bytes.len() < 80 << 10, "{}", bytes.len());
            let Ok(Some(Frame::Announcements(some))) = Frame::decode(&bytes) else { panic!("announcements") };
            count += some.len();
        }
        assert_eq!(count, 300);
    }

    #[test]
    fn whoever_is_not_heard_any_more_makes_place_for_those_who_are() {
        let mut unheard = Unheard::default();
        let said = Announcement::new("Bob", Platform::Linux, 24417, 10, 0, Query::No);
        for n in 0..MAX_PEERS {
            unheard.note_on_air(peer(n), &said, Instant(0));
        }
        let later = Instant(0) + Duration::from_secs(41);
        unheard.note_on_air(peer(MAX_PEERS), &said, later);
        assert!(unheard.is_on_air(peer(MAX_PEERS), later) && !unheard.is_on_air(peer(0), later));
    }
}
