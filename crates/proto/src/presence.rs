//! Announcements and leases in, roster of live peers out.

/// Addresses remembered of one device.
pub const MAX_ADDRESSES: usize = 8;
