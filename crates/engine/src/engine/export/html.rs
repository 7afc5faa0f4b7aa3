//! The page that history becomes: complete in itself, without scripts, and nothing that others wrote is markup in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::{Message, MessageKind, NoteKind};

/// Everything in front of the first message.
pub fn head(title: &str, topic: &str, now: Timestamp) -> String {
    let (title, topic) = (escaped(title), escaped(topic));
    let day = now.strftime("%Y-%m-%d %H:%M UTC");
    format!(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<header><h1>{title}</h1><p>{topic}</p><p><small>Lanyard, {day}</small></p></header>\n<main>\n"
    )
}

/// Everything behind the last message.
pub const END: &str = "</main>\n</body>\n</html>\n";

/// One message, its time in this zone.
pub fn message(message: &Message, names: &BTreeMap<String, String>, zone: &TimeZone) -> String {
    let Message { id, name, .. } = message;
    let (id, name) = (escaped(id), escaped(name));
    let time = i64::try_from(message.time).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let time = time
        .map_or("?".to_owned(), |time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
    let mut html = format!("<article id=\"m{id}\"><b>{name}</b> <time>{time}</time>");
    if message.edited.is_some() {
        html += " <i>edited</i>";
    }
    if message.pinned {
        html += " <i>pinned</i>";
    }
    if let Some(quote) = &message.reply {
        let (id, author) = (escaped(&quote.id), escaped(&quote.name));
        let text = match quote {
            quote if quote.deleted => "<i>taken back</i>".to_owned(),
            quote if quote.author.is_empty() => "<i>a message that is not here</i>".to_owned(),
            quote => escaped(&quote.text),
        };
        let _ = write!(html, "<blockquote><a href=\"#m{id}\">{author}</a> {text}</blockquote>");
    }
    let _ = write!(html, "<div>{}</div>", body(message));
    if !message.reactions.is_empty() {
        html += "<p>";
        for reaction in &message.reactions {
            let by: Vec<&str> =
                reaction.by.iter().map(|id| names.get(id).map_or(id.as_str(), String::as_str)).collect();
            let _ = write!(html, "{} <small>{}</small> ", escaped(&reaction.emoji), escaped(&by.join(", ")));
        }
        html += "</p>";
    }
    html += "</article>\n";
    html
}

fn body(message: &Message) -> String {
    if message.deleted {
        return "<i>This message was taken back.</i>".to_owned();
    }
    match message.kind {
        MessageKind::Text => escaped(&message.text),
        MessageKind::Offer => format!("<i>offered:</i> {}", escaped(&message.text)),
        MessageKind::Sealed => "<i>Sealed with a key that is not here.</i>".to_owned(),
        MessageKind::Unknown => "<i>Written by a newer version.</i>".to_owned(),
        MessageKind::Note => match &message.note {
            Some(note) if note.kind == NoteKind::Topic => {
                format!("<i>set the topic:</i> {}", escaped(&note.text))
            }
            Some(note) => {
                let who = note.name.as_deref().map(escaped).unwrap_or_default();
                format!("<i>{} {who}</i>", happened(note.kind))
            }
            None => String::new(),
        },
    }
}

fn happened(kind: NoteKind) -> &'static str {
    match kind {
        NoteKind::Created => "began the room",
        NoteKind::Topic => "set the topic",
        NoteKind::Added => "let in",
        NoteKind::Joined => "came by an invite",
        NoteKind::Removed => "put out",
        NoteKind::Left => "left",
        NoteKind::Promoted => "made an admin of",
        NoteKind::Demoted => "made a member of",
        NoteKind::KeysRenewed => "changed the keys",
        NoteKind::Forked => "wrote from two devices under one identity",
    }
}

/// Text that stays text wherever it stands in a page.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c => safe.push(c),
        }
    }
    safe
}

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;\
    color:#1c1c1e;background:#fff}h1{font-size:1.4rem;margin:0}time,small,i{color:#6b6b70}\
    article{padding:.5rem 0;border-top:1px solid #e3e3e6}article div{white-space:pre-wrap;overflow-wrap:anywhere}\
    blockquote{margin:.25rem 0;padding-left:.5rem;border-left:3px solid #c8c8cc}p{margin:.25rem 0}\
    a{color:inherit}@media(prefers-color-scheme:dark){body{color:#eee;background:#1c1c1e}article{border-color:#333}}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Quote, Reaction};

    fn hostile(text: &str) -> Message {
        let text = text.to_owned();
        Message {
            id: "ab".to_owned(),
            room: "cd".to_owned(),
            author: "ef".to_owned(),
            name: text.clone(),
            mine: false,
            time: 0,
            kind: MessageKind::Text,
            text: text.clone(),
            reply: Some(Quote {
                id: text.clone(),
                author: "x".to_owned(),
                name: text.clone(),
                text: text.clone(),
                deleted: false,
            }),
            edited: Some(1),
            deleted: false,
            reactions: vec![Reaction {
                emoji: text.clone(),
                by: vec![text.clone(), "ef".to_owned()],
                mine: false,
            }],
            mentions: Vec::new(),
            to_me: false,
            pinned: true,
            late: false,
            disputed: false,
            note: None,
            transfer: None,
            cursor: String::new(),
            delivered: None,
        }
    }

    #[test]
    fn nothing_that_anybody_wrote_is_markup() {
        let message = hostile("\"><script>alert('x')</script>&");
        let names = BTreeMap::from([("ef".to_owned(), "<b>Ann</b>".to_owned())]);
        let page = head(&message.text, &message.text, Timestamp::UNIX_EPOCH)
            + &super::message(&message, &names, &TimeZone::UTC)
            + END;
        assert!(!page.contains("<script") && !page.contains("'x'") && !page.contains("<b>Ann"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"));
        assert!(page.contains("1970-01-01 00:00"));
    }

    #[test]
    fn what_was_taken_back_is_a_tombstone() {
        let message = Message { deleted: true, ..hostile("secret") };
        let message = Message { reply: None, reactions: Vec::new(), name: "Ann".to_owned(), ..message };
        let html = super::message(&message, &BTreeMap::new(), &TimeZone::UTC);
        assert!(html.contains("taken back") && !html.contains("secret"), "{html}");
    }
}
