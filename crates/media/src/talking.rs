//! From sound to packets.
