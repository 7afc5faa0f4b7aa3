//! What devices say to each other to find out what the network lets through: the body of PROBE, and the frames that ask what
//! of it was heard.

use std::collections::BTreeSet;
use std::net::IpAddr;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};
use crate::wire::datagram::address;

/// How a datagram was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// To the control groups.
    Multicast,
    /// To the broadcast addresses of the subnets.
    Broadcast,
}

/// How a PROBE came, and the address that it came from: it tells over which interface its sender sent it.
pub type Heard = (Sent, IpAddr);

/// What came of dialling an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    Open,
    /// Something there said no: nobody listens, or a firewall says so.
    Refused,
    /// Nothing answered.
    Silent,
    /// The system knows no way there.
    Unreachable,
}

/// About what the network lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probing {
    /// Which of my PROBEs did you hear? Send some in turn, and dial me at this port.
    Ask { port: u16 },
    /// What was heard of the other side lately, and what came of dialling it; absent where it was not dialled. `sent`: PROBEs
    /// went out since it asked.
    Echo { heard: BTreeSet<Heard>, dialled: Option<Reached>, sent: bool },
}

/// The body of a PROBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    pub sent: Sent,
    /// The sender hears nobody: it cannot know whom to ask.
    pub lonely: bool,
}

impl Probe {
    pub fn encode(&self) -> Vec<u8> {
        to_cbor(&ProbeBody { sent: self.sent.into(), lonely: self.lonely.then_some(true) })
    }

    /// # Errors
    /// If it is none, or was sent in a way that is not known here.
    pub fn decode(body: &[u8]) -> Result<Probe, DecodeError> {
        let said: ProbeBody = from_cbor(body)?;
        Ok(Probe { sent: Sent::try_from(said.sent)?, lonely: said.lonely == Some(true) })
    }
}

impl Probing {
    /// Type and body.
    pub(super) fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Probing::Ask { port } => (ASK, to_cbor(&AskBody { port: *port })),
            Probing::Echo { heard, dialled, sent } => {
                let heard = heard.iter().map(|(sent, from)| HeardBody {
                    sent: (*sent).into(),
                    from: match from {
                        IpAddr::V4(ip) => ip.octets().to_vec().into(),
                        IpAddr::V6(ip) => ip.octets().to_vec().into(),
                    },
                });
                let dialled = dialled.map(|reached| match reached {
                    Reached::Open => 0,
                    Reached::Refused => 1,
                    Reached::Silent => 2,
                    Reached::Unreachable => 3,
                });
                let sent = sent.then_some(true);
                (ECHO, to_cbor(&EchoBody { heard: heard.collect(), dialled, sent }))
            }
        }
    }

    /// `None` for a type that is none of these.
    pub(super) fn decode(kind: u8, body: &[u8]) -> Result<Option<Probing>, DecodeError> {
        Ok(Some(match kind {
            ASK => Probing::Ask { port: from_cbor::<AskBody>(body)?.port },
            ECHO => {
                let said: EchoBody = from_cbor(body)?;
                let heard = at_most(said.heard, MAX_HEARD)?.into_iter();
                let heard = heard.map(|one| Ok((Sent::try_from(one.sent)?, address(&one.from)?)));
                let dialled = match said.dialled {
                    None => None,
                    Some(0) => Some(Reached::Open),
                    Some(1) => Some(Reached::Refused),
                    Some(2) => Some(Reached::Silent),
                    Some(3) => Some(Reached::Unreachable),
                    Some(_) => return Err(DecodeError::Malformed),
                };
                let heard = heard.collect::<Result<_, DecodeError>>()?;
                Probing::Echo { heard, dialled, sent: said.sent == Some(true) }
            }
            _ => return Ok(None),
        }))
    }
}

impl From<Sent> for u8 {
    fn from(sent: Sent) -> u8 {
        match sent {
            Sent::Multicast => 0,
            Sent::Broadcast => 1,
        }
    }
}

impl TryFrom<u8> for Sent {
    type Error = DecodeError;

    fn try_from(sent: u8) -> Result<Sent, DecodeError> {
        match sent {
            0 => Ok(Sent::Multicast),
            1 => Ok(Sent::Broadcast),
            _ => Err(DecodeError::Malformed),
        }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ProbeBody {
    #[n(0)]
    sent: u8,
    #[n(1)]
    lonely: Option<bool>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct AskBody {
    #[n(0)]
    port: u16,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct EchoBody {
    #[n(0)]
    heard: Vec<HeardBody>,
    #[n(1)]
    dialled: Option<u8>,
    #[n(2)]
    sent: Option<bool>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct HeardBody {
    #[n(0)]
    sent: u8,
    /// 4 or 16 bytes.
    #[n(1)]
    from: ByteVec,
}

const ASK: u8 = 12;
const ECHO: u8 = 13;

/// Most ways in one ECHO: both, from every address of a device that is believed.
pub const MAX_HEARD: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_asked_and_answered_reads_back() {
        let ips: [IpAddr; 2] = ["10.0.0.7", "fe80::1"].map(|ip| ip.parse().unwrap());
        let heard =
            BTreeSet::from([(Sent::Multicast, ips[0]), (Sent::Broadcast, ips[0]), (Sent::Multicast, ips[1])]);
        let outcomes = [Reached::Open, Reached::Refused, Reached::Silent, Reached::Unreachable];
        let echoes = outcomes.map(Some).into_iter().chain([None]);
        let echoes =
            echoes.map(|dialled| Probing::Echo { heard: heard.clone(), dialled, sent: dialled.is_some() });
        for said in echoes.chain([Probing::Ask { port: 24417 }]) {
            let (kind, body) = said.encode();
            assert_eq!(Probing::decode(kind, &body), Ok(Some(said)));
        }
        for (sent, lonely) in [(Sent::Multicast, true), (Sent::Broadcast, false)] {
            let probe = Probe { sent, lonely };
            assert_eq!(Probe::decode(&probe.encode()), Ok(probe));
        }
    }

    #[test]
    fn more_than_is_allowed_and_what_makes_no_sense_is_refused() {
        let one = || HeardBody { sent: 0, from: vec![10, 0, 0, 7].into() };
        let echo = |heard, dialled| Probing::decode(ECHO, &to_cbor(&EchoBody { heard, dialled, sent: None }));
        assert!(echo(vec![one()], Some(3)).is_ok());
        assert_eq!(echo((0..=MAX_HEARD).map(|_| one()).collect(), None), Err(DecodeError::TooLong));
        assert_eq!(echo(vec![HeardBody { sent: 2, ..one() }], None), Err(DecodeError::Malformed));
        assert_eq!(
            echo(vec![HeardBody { from: vec![10].into(), ..one() }], None),
            Err(DecodeError::Malformed)
        );
        assert_eq!(echo(vec![], Some(4)), Err(DecodeError::Malformed));
        assert_eq!(
            Probe::decode(&to_cbor(&ProbeBody { sent: 2, lonely: None })),
            Err(DecodeError::Malformed)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind: u8, bytes: Vec<u8>) {
            let _ = (Probing::decode(kind, &bytes), Probe::decode(&bytes));
        }
    }
}
