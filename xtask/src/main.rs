//! The developer's own door.

fn main() {}
