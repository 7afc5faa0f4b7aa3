//! How far people believe that a device is whose name it bears, and how they find out.

use serde::{Deserialize, Serialize};

use crate::api::ApiError;

/// How far a person here believes a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// It was only heard.
    Unknown,
    /// Its key was proven, and is remembered. Whose it is nobody compared.
    Pinned,
    /// A person compared its key.
    Verified,
    /// It is called like a verified device, and has another key. Nothing is sent to it before a person says what to make of it.
    Changed,
    /// Nothing of it is taken, shown or answered.
    Blocked,
}

/// What a person does about the trust in somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum TrustAct {
    /// See what two people compare; answered by [`crate::api::Reply::Keys`].
    Show {},
    /// The keys were compared, and are the right ones. This and what follows is answered by [`crate::api::Reply::Peer`].
    Verify {},
    /// The same, by the link that the other device shows (`lanyard:v1:id:…`).
    VerifyLink {
        link: String,
    },
    /// Believe it no longer.
    Unverify {},
    Block {},
    /// It is again what it was before it was blocked.
    Unblock {},
    /// It is somebody else than the verified person of this name.
    Apart {},
    /// Fetch what a verified device offers without asking, up to so many bytes an offer; absent: ask.
    AlwaysAccept {
        #[cfg_attr(test, ts(optional, type = "number"))]
        bytes: Option<u64>,
    },
    /// Begin to compare emoji, or agree to what the other side began. This and what follows is answered by
    /// [`crate::api::Reply::Comparison`].
    Compare {},
    /// Whether both people see the same emoji.
    Compared {
        same: bool,
    },
    /// Do not compare, or no longer.
    CancelComparison {},
}

/// What two people compare to make sure of each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// Sixty digits, the same on both devices.
    pub number: String,
    /// The link of the other device.
    pub link: String,
    /// The link of this device, for the other side to scan or paste.
    pub mine: String,
}

/// A comparison of seven emoji with somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    pub peer: String,
    pub state: ComparisonState,
    /// Seven, while they are to be seen.
    pub emoji: Vec<ComparedEmoji>,
    /// Why it ended without a match.
    pub error: Option<ApiError>,
    /// Whether that may be somebody's attack.
    pub alarm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ComparisonState {
    /// The other device is being reached.
    Calling,
    /// The other person has not agreed yet.
    Waiting,
    /// The other person began: [`TrustAct::Compare`] agrees.
    Asked,
    /// The devices settle what is to be seen.
    Settling,
    /// Both people see the emoji: [`TrustAct::Compared`] says whether they are the same.
    Shown,
    /// They are the same as far as this person sees; the other has not said so yet.
    Confirmed,
    /// Both said so: each device is verified at the other.
    Matched,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ComparedEmoji {
    /// 0 to 63, in the order of the Matrix specification.
    pub number: u8,
    pub symbol: String,
    /// In English.
    pub name: String,
}
