//! Messages as a person reads them in a terminal.

use std::collections::BTreeMap;

use lanyard_engine::api::{
    ApiError, Delivery, Message, MessageKind, NoteKind, Room, RoomKind, TransferState,
};
use lanyard_engine::control::Node;

use super::{all_transfers, transfers};
use crate::output::{QUIET, STRONG, paint};
use crate::text;

/// What became of what others offered.
#[derive(Default)]
pub struct Offers(BTreeMap<String, TransferState>);

impl Offers {
    /// As the offers among these messages are now.
    pub async fn learn(&mut self, node: &Node, messages: &[Message]) -> Result<(), ApiError> {
        if messages.iter().any(|message| message.transfer.is_some() && !message.mine) {
            let all = all_transfers(node).await?;
            self.0 = all.into_iter().map(|transfer| (transfer.id, transfer.state)).collect();
        }
        Ok(())
    }

    /// What is to be said of an offer: how to take it, or what became of it. Of what is over for long nothing is known.
    fn hint(&self, transfer: &str) -> Option<String> {
        match self.0.get(transfer)? {
            TransferState::Offered => Some(format!("lanyard accept {}", text::short_transfer(transfer))),
            TransferState::Done => Some("received".to_owned()),
            state => Some(transfers::state(*state).to_owned()),
        }
    }
}

/// How a room is called; with the short id of whom a conversation is with, where somebody else's name looks the same.
pub fn title(room: &Room) -> String {
    let name = text::line(&room.name);
    match (room.kind, room.peer.as_deref()) {
        (RoomKind::Direct, Some(peer)) if room.alike => format!("@{name} ({})", text::short(peer)),
        (RoomKind::Direct, _) => format!("@{name}"),
        _ => format!("#{name}"),
    }
}

/// A message as a person reads it.
pub fn words(message: &Message, offers: &Offers) -> String {
    let time = paint(QUIET, &text::moment(message.time));
    let name = paint(STRONG, &text::line(&message.name));
    let answered = message.reply.as_ref().map(|quote| {
        let what = match quote {
            quote if quote.deleted => "what was taken back".to_owned(),
            quote if quote.author.is_empty() => "a message that is not here".to_owned(),
            quote => {
                let text = text::line(quote.text.lines().next().unwrap_or_default());
                format!("{}: {text}", text::line(&quote.name))
            }
        };
        paint(QUIET, &format!("[answers {what}] "))
    });
    format!("{time}  {name}: {}{}{}", answered.unwrap_or_default(), said(message, offers), beside(message))
}

/// What a message says, whoever wrote it.
pub fn said(message: &Message, offers: &Offers) -> String {
    if message.deleted {
        return paint(QUIET, "(taken back)");
    }
    match message.kind {
        MessageKind::Text => text::paragraph(&message.text, "    "),
        MessageKind::Offer => {
            let hint = message.transfer.as_deref().filter(|_| !message.mine);
            let hint = hint.and_then(|id| offers.hint(id)).map(|hint| paint(QUIET, &format!("  {hint}")));
            format!("offers {}{}", text::line(&message.text), hint.unwrap_or_default())
        }
        MessageKind::Note => happened(message),
        MessageKind::Sealed => paint(QUIET, "(sealed with a key that is not here)"),
        MessageKind::Unknown => paint(QUIET, "(written by a newer version)"),
    }
}

fn happened(message: &Message) -> String {
    let Some(note) = &message.note else { return String::new() };
    let who = note.name.as_deref().map(text::line).unwrap_or_default();
    match note.kind {
        NoteKind::Created => "began the room".to_owned(),
        NoteKind::Topic if note.text.is_empty() => "took the topic away".to_owned(),
        NoteKind::Topic => format!("set the topic: {}", text::line(&note.text)),
        NoteKind::Added => format!("let {who} in"),
        NoteKind::Joined => "came by an invite".to_owned(),
        NoteKind::Removed => format!("put {who} out"),
        NoteKind::Left => "left".to_owned(),
        NoteKind::Promoted => format!("made {who} an admin"),
        NoteKind::Demoted => format!("made {who} a member"),
        NoteKind::KeysRenewed => "changed the room's keys".to_owned(),
        NoteKind::Forked => "wrote from two devices under one identity".to_owned(),
    }
}

/// What stands behind a message: marks, reactions, and who has it.
fn beside(message: &Message) -> String {
    let marks = [
        message.edited.filter(|_| !message.deleted).map(|_| "edited".to_owned()),
        message.pinned.then(|| "pinned".to_owned()),
        message.late.then(|| "late".to_owned()),
    ];
    let mut marks: Vec<String> = marks.into_iter().flatten().collect();
    marks.extend(
        message
            .reactions
            .iter()
            .map(|reaction| format!("{} {}", text::line(&reaction.emoji), reaction.by.len())),
    );
    marks.extend(message.delivered.as_ref().filter(|delivered| delivered.of > 0).map(delivery));
    // Who keeps it for somebody is of no interest once that has it.
    let kept = message.delivered.as_ref().filter(|delivered| delivered.to.is_empty());
    marks.extend(
        kept.map(|delivered| delivered.kept_by.len())
            .filter(|kept| *kept > 0)
            .map(|n| format!("kept by {n}")),
    );
    if marks.is_empty() { String::new() } else { paint(QUIET, &format!("  ({})", marks.join(", "))) }
}

/// To how many a message of ours was delivered, and to whom.
pub fn delivery(delivered: &Delivery) -> String {
    let count = format!("delivered to {} of {}", delivered.to.len(), delivered.of);
    if delivered.names.is_empty() { count } else { format!("{count}: {}", names(&delivered.names)) }
}

/// Names one behind the other, as far as somebody would read them.
pub fn names(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES).map(|name| text::line(name)).collect();
    match names.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What changed about a message that was printed before.
pub fn changed(before: &Message, now: &Message, offers: &Offers) -> String {
    let what = match () {
        () if now.deleted && !before.deleted => "took back",
        () if now.text != before.text => "edited",
        () if now.reactions != before.reactions => "reactions on",
        () if now.pinned && !before.pinned => "pinned",
        () if before.pinned && !now.pinned => "unpinned",
        () => "changed",
    };
    // What was taken back is not said once more.
    format!("{} {}", paint(QUIET, &format!("{what}:")), words(now, offers))
}

/// Names that are written out.
const NAMES: usize = 12;

#[cfg(test)]
pub mod tests {
    use lanyard_engine::api::Membership;

    use super::*;

    /// Somebody's message, as the node gives it.
    pub fn message(text: &str) -> Message {
        Message {
            id: "5f3a".to_owned(),
            room: "a".to_owned(),
            author: "b".to_owned(),
            name: "Ann".to_owned(),
            mine: false,
            time: 0,
            kind: MessageKind::Text,
            text: text.to_owned(),
            reply: None,
            edited: None,
            deleted: false,
            reactions: Vec::new(),
            mentions: Vec::new(),
            to_me: false,
            pinned: false,
            late: false,
            disputed: false,
            note: None,
            transfer: None,
            cursor: "c".to_owned(),
            delivered: None,
        }
    }

    #[test]
    fn an_offer_is_named_by_what_tells_it_from_others_of_its_device() {
        let transfer = Some("85c95613aaaaaaaa424af5a5bbbbbbbb".to_owned());
        let offer = Message { kind: MessageKind::Offer, transfer, ..message("plan.pdf") };
        let said = |offers: &[(String, TransferState)]| {
            let offers = Offers(offers.iter().cloned().collect());
            anstream::adapter::strip_str(&super::said(&offer, &offers)).to_string()
        };
        let id = "85c95613aaaaaaaa424af5a5bbbbbbbb".to_owned();
        assert_eq!(said(&[(id.clone(), TransferState::Offered)]), "offers plan.pdf  lanyard accept 424af5a5");
        assert_eq!(said(&[(id.clone(), TransferState::Done)]), "offers plan.pdf  received");
        assert_eq!(said(&[(id, TransferState::Cancelled)]), "offers plan.pdf  cancelled");
        assert_eq!(said(&[]), "offers plan.pdf", "nobody can accept what is over for long");
    }

    #[test]
    fn two_conversations_with_people_of_one_name_are_told_apart() {
        let room = |peer: &str, name: &str, alike| Room {
            id: peer.repeat(32),
            kind: RoomKind::Direct,
            name: name.to_owned(),
            peer: Some(peer.repeat(26)),
            alike,
            unread: 0,
            mentions: 0,
            topic: String::new(),
            draft: String::new(),
            membership: Membership::Member,
            role: None,
            keep_days: None,
            notify: None,
            last: None,
            read: None,
            members: 2,
            forked: Vec::new(),
        };
        assert_eq!(title(&room("ab", "Ann", true)), "@Ann (abababab)");
        assert_eq!(title(&room("ef", "Bob", false)), "@Bob");
    }
}
