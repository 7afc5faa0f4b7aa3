-- Version 3: what entries mean, as far as questions need it without opening them. All of it can be made anew from the
-- entries; it is written in the same transaction as they are.

-- Entries whose meaning is not in the tables below: from before version 3, or sealed with a key that is not here.
CREATE TABLE unopened (
    id INTEGER NOT NULL PRIMARY KEY
) STRICT;

INSERT INTO unopened (id) SELECT id FROM entry;

-- Entries that are messages. The id is the entry's.
CREATE TABLE message (
    id INTEGER NOT NULL PRIMARY KEY,
    room INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    place INTEGER NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    -- The entry that it answers. NULL: none, or it was not opened yet.
    reply BLOB CHECK (length(reply) = 32),
    -- Whether there are marks or reactions on it.
    marked INTEGER NOT NULL CHECK (marked IN (0, 1)),
    -- Whether it mentions this device or answers it.
    to_me INTEGER NOT NULL CHECK (to_me IN (0, 1)),
    -- Whether it never counts as unread: it tells what happened, or was taken back.
    quiet INTEGER NOT NULL CHECK (quiet IN (0, 1)),
    -- It arrived before the read mark: 0 no, 1 and was not seen yet, 2 and was seen.
    late INTEGER NOT NULL CHECK (late IN (0, 1, 2))
) STRICT;

CREATE INDEX message_reply ON message (reply) WHERE reply IS NOT NULL;
CREATE INDEX message_to_me ON message (room, place, author, seq, nonce) WHERE to_me = 1 AND quiet = 0;
CREATE INDEX message_quiet ON message (room, place, author, seq, nonce) WHERE quiet = 1;
CREATE INDEX message_late ON message (room, place, author, seq, nonce) WHERE late = 1;

-- What was said about messages, here or not: the newest word of each.
CREATE TABLE mark (
    room INTEGER NOT NULL,
    target BLOB NOT NULL CHECK (length(target) = 32),
    -- As in the entry's header: 2 edit, 3 delete, 16 pin.
    kind INTEGER NOT NULL CHECK (kind IN (2, 3, 16)),
    -- Edits and deletes are each author's own; a pin is the whole room's, and this is empty.
    whose BLOB NOT NULL,
    -- The newest counts.
    place INTEGER NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    -- Of a pin whether it is on; of a delete whether its author may take back what others wrote.
    yes INTEGER NOT NULL CHECK (yes IN (0, 1)),
    -- What an edited message says. NULL: no edit, or the message was taken back.
    text TEXT,
    -- The devices that it mentions, one behind the other. NULL: as above.
    mentions BLOB,
    PRIMARY KEY (room, target, kind, whose)
) STRICT, WITHOUT ROWID;

CREATE INDEX mark_pinned ON mark (room, place, author, seq, nonce) WHERE kind = 16 AND yes = 1;

-- Each author's newest reactions on a message, those that were taken off among them.
CREATE TABLE reaction (
    room INTEGER NOT NULL,
    target BLOB NOT NULL CHECK (length(target) = 32),
    author BLOB NOT NULL,
    emoji TEXT NOT NULL,
    place INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    shown INTEGER NOT NULL CHECK (shown IN (0, 1)),
    PRIMARY KEY (room, target, author, emoji)
) STRICT, WITHOUT ROWID;

-- What each room is about: the newest word counts.
CREATE TABLE topic (
    room INTEGER NOT NULL PRIMARY KEY,
    topic TEXT NOT NULL,
    place INTEGER NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    nonce BLOB NOT NULL
) STRICT;

-- What was begun in each room and not sent.
CREATE TABLE draft (
    room INTEGER NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;

-- Under which number of the index below a message is found. Numbers are places, moved on where several share one, so
-- that the newest are found first without sorting.
CREATE TABLE found (
    id INTEGER NOT NULL PRIMARY KEY,
    entry INTEGER NOT NULL UNIQUE
) STRICT;

-- The words of messages as words.rs divides them, between spaces; the room's id; the author in hexadecimal.
CREATE VIRTUAL TABLE search USING fts5 (
    words, room, author,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'",
    prefix = '2 3'
);

CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN
    DELETE FROM unopened WHERE id = old.id;
    DELETE FROM message WHERE id = old.id;
    DELETE FROM mark WHERE room = old.room AND target = old.entry;
    DELETE FROM reaction WHERE room = old.room AND target = old.entry;
    DELETE FROM search WHERE rowid = (SELECT id FROM found WHERE entry = old.id);
    DELETE FROM found WHERE entry = old.id;
END;

CREATE TRIGGER room_gone AFTER DELETE ON room BEGIN
    DELETE FROM mark WHERE room = old.id;
    DELETE FROM reaction WHERE room = old.id;
    DELETE FROM topic WHERE room = old.id;
    DELETE FROM draft WHERE room = old.id;
END;
