//! `lanyard verify`, `lanyard block`, `lanyard unblock`: whom to believe.

use std::io::{self, BufRead as _};
use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::{
    ApiError, Command, Comparison, ComparisonState, Event, Keys, Peer, Reply, Trust, TrustAct,
};
use lanyard_engine::control::Node;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::private::code;
use super::{all_peers, ask, call_when_found, misunderstood, next, snapshot};
use crate::args::{Block, Unblock, Verify};
use crate::failure::{Exit, Failure};
use crate::output::{Output, STRONG, paint};
use crate::text;

pub async fn verify(node: &Node, out: Output, words: Verify) -> Result<(), Failure> {
    let Verify { peer, emoji, confirm, link, qr, apart, undo, accept_up_to } = words;
    let act = match link {
        _ if emoji => return compare(node, out, peer).await,
        Some(link) => TrustAct::VerifyLink { link },
        None if confirm => TrustAct::Verify {},
        None if apart => TrustAct::Apart {},
        None if undo => TrustAct::Unverify {},
        None => match accept_up_to {
            Some(bytes) => TrustAct::AlwaysAccept { bytes: Some(bytes).filter(|bytes| *bytes > 0) },
            None => return show(node, out, peer, qr).await,
        },
    };
    let peer = decide(node, peer, act).await?;
    tell(out, &peer)
}

pub async fn block(node: &Node, out: Output, words: Block) -> Result<(), Failure> {
    let peer = decide(node, words.peer, TrustAct::Block {}).await?;
    tell(out, &peer)
}

pub async fn unblock(node: &Node, out: Output, words: Unblock) -> Result<(), Failure> {
    let peer = decide(node, words.peer, TrustAct::Unblock {}).await?;
    if out == Output::Person {
        out.note(&format!("{} is not blocked.", text::line(&peer.name)));
    }
    tell(out, &peer)
}

async fn decide(node: &Node, peer: String, act: TrustAct) -> Result<Peer, ApiError> {
    ask!(call_when_found(node, Command::Trust { peer, act }) => Peer)
}

/// What came of it: for a person a sentence, for a program the person's device.
fn tell(out: Output, peer: &Peer) -> Result<(), Failure> {
    match out {
        Output::Program => out.item(peer, |_| String::new()),
        Output::Person => {
            out.note(&sentence(peer));
            Ok(())
        }
    }
}

fn sentence(peer: &Peer) -> String {
    let name = text::line(&peer.name);
    match (peer.trust, peer.accept_bytes) {
        (Trust::Verified, Some(bytes)) => {
            format!("{name} is verified. Offers of up to {} are fetched without asking.", text::bytes(bytes))
        }
        (Trust::Verified, None) => format!("{name} is verified."),
        (Trust::Blocked, _) => format!("{name} is blocked: nothing of theirs is shown, fetched or answered."),
        (Trust::Changed, _) => format!("{name} has the name of somebody verified, and another key."),
        (Trust::Unknown | Trust::Pinned, _) => format!("{name} is not verified."),
    }
}

/// What two people compare.
async fn show(node: &Node, out: Output, peer: String, qr: bool) -> Result<(), Failure> {
    let act = TrustAct::Show {};
    let keys: Keys = ask!(call_when_found(node, Command::Trust { peer: peer.clone(), act }) => Keys)?;
    if out == Output::Person {
        if qr {
            out.note(&code(&keys.mine)?);
        }
        let whom = text::line(&peer);
        out.note(&format!(
            "The digits are the same on both devices. If {whom} reads the same ones: lanyard verify '{whom}' --confirm\n\
             The first link is that of {whom}, as it is known here. The second is yours: with it the other side verifies you.\n"
        ));
    }
    out.item(&keys, |keys| format!("{}\n\n{}\n{}", grouped(&keys.number), keys.link, keys.mine))
}

/// Twelve groups of five, four a line.
fn grouped(number: &str) -> String {
    let groups: Vec<&str> =
        number.as_bytes().chunks(5).filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.chunks(4).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n")
}

/// Compares seven emoji: shows them, asks, and ends when both people have answered.
async fn compare(node: &Node, out: Output, peer: String) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let call = |act| Command::Trust { peer: peer.clone(), act };
    let mut now = ask!(call_when_found(node, call(TrustAct::Compare {})) => Comparison)?;
    let mut asked: Option<oneshot::Receiver<Option<bool>>> = None;
    let mut told = None;
    loop {
        if told != Some(now.state) {
            told = Some(now.state);
            if let Some(result) = step(out, &now, &peer)? {
                return result;
            }
            asked = if now.state == ComparisonState::Shown { Some(read_answer()) } else { None };
        }
        let answer = async {
            match &mut asked {
                Some(asked) => asked.await.unwrap_or(None),
                None => std::future::pending().await,
            }
        };
        let id = now.peer.clone();
        tokio::select! {
            changed = changed(node, &mut events, &id) => now = changed?,
            answer = answer => {
                asked = None;
                let act = match answer {
                    Some(same) => TrustAct::Compared { same },
                    None => TrustAct::CancelComparison {},
                };
                let answered = async { ask!(node.call(call(act)) => Comparison) }.await;
                now = match answered {
                    Ok(now) => now,
                    // It was over before the answer; how it ended was told.
                    Err(failure) => match timeout(TOLD, changed(node, &mut events, &id)).await {
                        Ok(ended) => ended?,
                        Err(_) => return Err(failure.into()),
                    },
                };
            }
        }
    }
}

/// Tells a step. What it all comes to, if it is the last.
fn step(out: Output, now: &Comparison, peer: &str) -> Result<Option<Result<(), Failure>>, Failure> {
    let whom = text::line(peer);
    if out == Output::Program {
        out.item(now, |_| String::new())?;
    }
    let said = match now.state {
        ComparisonState::Calling | ComparisonState::Settling => None,
        ComparisonState::Waiting => {
            Some(format!("Waiting for {whom} to agree, in the window or with: lanyard verify --emoji"))
        }
        // The command agrees at once; this is told by a node that has not heard it yet.
        ComparisonState::Asked => None,
        ComparisonState::Shown => {
            if out == Output::Person {
                let emoji: Vec<String> = now
                    .emoji
                    .iter()
                    .map(|emoji| format!("{}  {}", text::line(&emoji.symbol), text::line(&emoji.name)))
                    .collect();
                out.item(&emoji, |emoji| paint(STRONG, &emoji.join("\n")))?;
            }
            Some(format!("Does {whom} see the same seven, in this order? Speak to each other. [yes/no]"))
        }
        ComparisonState::Confirmed => Some(format!("Waiting for {whom} to say the same.")),
        ComparisonState::Matched => {
            out.note(&format!("{whom} is verified."));
            return Ok(Some(Ok(())));
        }
        ComparisonState::Ended => {
            let failure = now.error.clone().map(Failure::from);
            let failure =
                failure.unwrap_or_else(|| Failure::new(Exit::Failed, "The comparison came to nothing."));
            return Ok(Some(Err(failure)));
        }
    };
    if let Some(said) = said {
        out.note(&said);
    }
    Ok(None)
}

/// The comparison as it is after something happened to it.
async fn changed(node: &Node, events: &mut Events, peer: &str) -> Result<Comparison, Failure> {
    loop {
        match next(events).await {
            Event::Comparison { comparison } if comparison.peer == peer => return Ok(comparison),
            // How it ended may be among what was lost.
            Event::Lagged { .. } => {
                let open = snapshot(node).await?.comparisons;
                if let Some(open) = open.into_iter().find(|open| open.peer == peer) {
                    return Ok(open);
                }
                let verified = |known: &Peer| known.id == peer && known.trust == Trust::Verified;
                let state = match all_peers(node).await?.iter().any(verified) {
                    true => ComparisonState::Matched,
                    false => ComparisonState::Ended,
                };
                let peer = peer.to_owned();
                return Ok(Comparison { peer, state, emoji: Vec::new(), error: None, alarm: false });
            }
            _ => {}
        }
    }
}

/// A person's answer; none if there is nobody to answer. On a thread that nobody waits for: the answer may not be wanted any
/// more.
fn read_answer() -> oneshot::Receiver<Option<bool>> {
    let (answer, answered) = oneshot::channel();
    std::thread::spawn(move || {
        let mut lines = io::stdin().lock().lines();
        let said = loop {
            let Some(Ok(line)) = lines.next() else { break None };
            match line.trim().to_lowercase().as_str() {
                "yes" | "y" => break Some(true),
                "no" | "n" => break Some(false),
                _ => Output::Person.note("Write yes or no."),
            }
        };
        // Whoever asked may be gone.
        let _ = answer.send(said);
    });
    answered
}

/// How soon it is told how a comparison ended that is over.
const TOLD: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_digits_stand_in_three_lines_of_four_groups() {
        let number: String = (0..60).map(|n| char::from(b'0' + n % 10)).collect();
        assert_eq!(
            grouped(&number),
            "01234 56789 01234 56789\n01234 56789 01234 56789\n01234 56789 01234 56789"
        );
    }
}
