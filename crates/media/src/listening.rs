//! From packets to sound.
