-- Version 1 of the database. Later versions are further files behind this one; this one never changes again.
--
-- Ids and hashes are BLOBs of their fixed length. Unsigned 64-bit numbers that others chose are kept by their bits as
-- INTEGER and never compared here; where they are compared (nonces) they are big-endian BLOBs. Times are milliseconds
-- since 1970 by this device's clock unless said otherwise. A column may be NULL only where absence means something.

-- This installation: exactly one row.
CREATE TABLE node (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- The number of the latest run; each is larger than the one before.
    boot INTEGER NOT NULL,
    -- Names the logs that this database writes.
    nonce BLOB NOT NULL CHECK (length(nonce) = 8),
    -- What the witness file proves (witness.rs),
    witness BLOB NOT NULL CHECK (length(witness) = 32),
    -- and what it proves if the latest start was cut short. NULL: nothing, there was no file.
    witness_before BLOB CHECK (length(witness_before) = 32),
    -- Own entries were forgotten: their numbers must not be used again, so the next start takes a new nonce.
    renew_nonce INTEGER NOT NULL CHECK (renew_nonce IN (0, 1)),
    -- The newest hybrid clock reading that this device wrote.
    clock INTEGER NOT NULL,
    -- Set while a run uses the database: if it is set at a start, the run before ended badly.
    running INTEGER NOT NULL CHECK (running IN (0, 1))
) STRICT;

-- What a person chose: exactly one row.
CREATE TABLE setting (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- NULL: none chosen, the engine's default holds.
    name TEXT,
    -- The download folder, in the system's own bytes. NULL: none chosen.
    downloads BLOB,
    -- Whether a person was asked for the name.
    named INTEGER NOT NULL CHECK (named IN (0, 1))
) STRICT;

-- Rooms that this device takes part in.
CREATE TABLE room (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    room BLOB NOT NULL UNIQUE CHECK (length(room) = 32),
    -- The other device of a direct conversation. NULL: an open room.
    direct BLOB CHECK (length(direct) = 32),
    name TEXT NOT NULL,
    joined INTEGER NOT NULL
) STRICT;

-- One log per room, author and nonce. It is contiguous from 1 to head.
CREATE TABLE log (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    room INTEGER NOT NULL REFERENCES room (id),
    log BLOB NOT NULL CHECK (length(log) = 8),
    author BLOB NOT NULL CHECK (length(author) = 32),
    nonce BLOB NOT NULL CHECK (length(nonce) = 8),
    -- Whether this database writes it.
    own INTEGER NOT NULL CHECK (own IN (0, 1)),
    head INTEGER NOT NULL,
    head_id BLOB NOT NULL CHECK (length(head_id) = 32),
    UNIQUE (room, log)
) STRICT;

CREATE TABLE entry (
    id INTEGER NOT NULL PRIMARY KEY,
    room INTEGER NOT NULL REFERENCES room (id),
    log INTEGER NOT NULL REFERENCES log (id),
    seq INTEGER NOT NULL,
    -- SHA-256 over header and signature.
    entry BLOB NOT NULL UNIQUE CHECK (length(entry) = 32),
    -- Where it is shown: its hybrid clock, or that of its arrival if its author's clock was far ahead.
    place INTEGER NOT NULL CHECK (place >= 0),
    author BLOB NOT NULL,
    nonce BLOB NOT NULL,
    -- Whether it appears as a message.
    message INTEGER NOT NULL CHECK (message IN (0, 1)),
    arrived INTEGER NOT NULL,
    -- Header, signature and body as they were signed.
    bytes BLOB NOT NULL,
    UNIQUE (log, seq)
) STRICT;

-- The order in which a room is shown. Pages, the newest message and the count of unread ones walk along it.
CREATE INDEX entry_shown ON entry (room, message, place, author, seq, nonce);

-- Own logs whose entries were forgotten with their room, and how far they went. A safety net against using a number twice.
CREATE TABLE forgotten (
    room BLOB NOT NULL,
    log BLOB NOT NULL,
    head INTEGER NOT NULL,
    PRIMARY KEY (room, log)
) STRICT, WITHOUT ROWID;

-- The last message of each room that was seen.
CREATE TABLE read_mark (
    room INTEGER NOT NULL PRIMARY KEY REFERENCES room (id),
    place INTEGER NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    nonce BLOB NOT NULL
) STRICT;

-- How far others signed to hold this device's logs.
CREATE TABLE covered (
    room INTEGER NOT NULL REFERENCES room (id),
    peer BLOB NOT NULL CHECK (length(peer) = 32),
    log BLOB NOT NULL CHECK (length(log) = 8),
    seq INTEGER NOT NULL,
    PRIMARY KEY (room, peer, log)
) STRICT, WITHOUT ROWID;

-- Other devices.
CREATE TABLE peer (
    peer BLOB NOT NULL PRIMARY KEY CHECK (length(peer) = 32),
    name TEXT NOT NULL,
    -- 0 Linux, 1 macOS, 2 Windows, 3 another.
    platform INTEGER NOT NULL,
    -- 0 unknown, 1 pinned, 2 verified, 3 blocked.
    trust INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    -- The newest datagram's run and number.
    boot INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    -- Best first, a space between two.
    addresses TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Offers and what became of them. Larger ids were heard of later.
CREATE TABLE transfer (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    transfer BLOB NOT NULL UNIQUE CHECK (length(transfer) = 16),
    room BLOB NOT NULL CHECK (length(room) = 32),
    entry BLOB NOT NULL CHECK (length(entry) = 32),
    -- The device that offers.
    peer BLOB NOT NULL CHECK (length(peer) = 32),
    -- CBOR: a list of texts.
    names BLOB NOT NULL,
    files INTEGER NOT NULL,
    folders INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    manifest BLOB NOT NULL CHECK (length(manifest) = 32),
    -- 0 offered, 1 waiting, 2 running; over: 3 done, 4 declined, 5 cancelled, 6 failed.
    state INTEGER NOT NULL,
    -- Why it failed, by the protocol's number. NULL: it did not.
    failure INTEGER,
    -- By the clock of the device that offers.
    offered INTEGER NOT NULL,
    -- CBOR: a list of (device, receipt).
    receipts BLOB NOT NULL
) STRICT;

CREATE INDEX transfer_open ON transfer (id) WHERE state < 3;
CREATE INDEX transfer_over ON transfer (id) WHERE state >= 3;

-- What only this device knows of a transfer.
CREATE TABLE transfer_note (
    transfer BLOB NOT NULL PRIMARY KEY CHECK (length(transfer) = 16),
    -- Where the files are or will be, in the system's own bytes. NULL: not decided.
    folder BLOB,
    -- Of the one file that was offered. NULL: not known, or several files.
    sha256 BLOB CHECK (length(sha256) = 32),
    moved INTEGER NOT NULL,
    -- Why it failed or waits, for people. NULL: nothing is wrong.
    problem TEXT
) STRICT, WITHOUT ROWID;
