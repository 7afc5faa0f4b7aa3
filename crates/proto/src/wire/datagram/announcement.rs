//! What a device says about itself to everybody.

use minicbor::{Decode, Encode};

use crate::model::{Platform, UnixMillis};
use crate::wire::avatar::Avatar;
use crate::wire::codec::{DecodeError, from_cbor, to_cbor};
use crate::wire::datagram::MAX_NAME;
use crate::wire::text;

/// What a device says about itself. Everything in it is a claim; the sender's key is proven.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Announcement {
    /// Lowest and highest protocol version that it speaks over TCP.
    #[n(0)]
    pub min_version: u8,
    #[n(1)]
    pub max_version: u8,
    /// Where it accepts TLS connections.
    #[n(2)]
    pub tcp_port: u16,
    /// At most [`MAX_NAME`] bytes, safe to show.
    #[n(3)]
    pub name: String,
    #[n(4)]
    platform: u8,
    /// Seconds until the next announcement, on average.
    #[n(5)]
    pub interval: u16,
    /// Live peers that it knows.
    #[n(6)]
    pub peers: u16,
    #[n(7)]
    flags: u8,
    /// Stands for the names of the open rooms that it knows of; absent where it knows of none.
    #[n(8)]
    directory: Option<minicbor::bytes::ByteArray<8>>,
    /// Absent where its person chose none.
    #[n(9)]
    color: Option<u8>,
    #[n(10)]
    emoji: Option<String>,
    /// Seconds since 1970 by its clock.
    #[n(11)]
    clock: Option<u64>,
}

impl Announcement {
    pub fn new(
        name: &str,
        platform: Platform,
        tcp_port: u16,
        interval: u16,
        peers: u16,
        query: Query,
    ) -> Announcement {
        let platform = match platform {
            Platform::Other => 0,
            Platform::Linux => 1,
            Platform::Macos => 2,
            Platform::Windows => 3,
        };
        let flags = if query == Query::Yes { FLAG_QUERY } else { 0 };
        let name = text::clean_line(name, MAX_NAME);
        Announcement {
            min_version: 1,
            max_version: 1,
            tcp_port,
            name,
            platform,
            interval,
            peers,
            flags,
            directory: None,
            color: None,
            emoji: None,
            clock: None,
        }
    }

    /// The same with what stands for the open rooms that the device knows of.
    #[must_use]
    pub fn with_directory(self, digest: Option<[u8; 8]>) -> Announcement {
        Announcement { directory: digest.map(Into::into), ..self }
    }

    /// The same with how its person wants to be shown.
    #[must_use]
    pub fn with_avatar(self, avatar: Option<&Avatar>) -> Announcement {
        Announcement {
            color: avatar.map(Avatar::color),
            emoji: avatar.map(|avatar| avatar.emoji().to_owned()),
            ..self
        }
    }

    /// How the sender wants to be shown, if it says so in a way that is understood here.
    pub fn avatar(&self) -> Option<Avatar> {
        Avatar::new(self.color?, self.emoji.as_deref()?)
    }

    /// The same with what the device's clock says.
    #[must_use]
    pub fn with_clock(self, now: UnixMillis) -> Announcement {
        Announcement { clock: Some(now.0 / 1000), ..self }
    }

    /// What its clock said when it announced itself.
    pub fn clock(&self) -> Option<UnixMillis> {
        self.clock.map(|seconds| UnixMillis(seconds.saturating_mul(1000)))
    }

    pub fn directory(&self) -> Option<[u8; 8]> {
        self.directory.map(Into::into)
    }

    pub fn encode(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// # Errors
    /// If it is not an announcement.
    pub fn decode(body: &[u8]) -> Result<Announcement, DecodeError> {
        let mut said: Announcement = from_cbor(body)?;
        said.name = text::clean_line(&said.name, MAX_NAME);
        Ok(said)
    }

    pub fn platform(&self) -> Platform {
        match self.platform {
            1 => Platform::Linux,
            2 => Platform::Macos,
            3 => Platform::Windows,
            _ => Platform::Other,
        }
    }

    /// Whether the sender is new and asks who else is here.
    pub fn query(&self) -> Query {
        if self.flags & FLAG_QUERY != 0 { Query::Yes } else { Query::No }
    }
}

/// Whether an announcement asks others to announce themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    Yes,
    No,
}

const FLAG_QUERY: u8 = 1;
