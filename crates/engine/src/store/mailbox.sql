-- Mail: sealed entries of direct conversations that are kept while one of the two is away.

-- Logs of which this device keeps something for somebody else. What is kept of each is without a gap.
CREATE TABLE held (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- The conversation: none of this device's rooms.
    room BLOB NOT NULL CHECK (length(room) = 32),
    log BLOB NOT NULL CHECK (length(log) = 8),
    author BLOB NOT NULL CHECK (length(author) = 32),
    recipient BLOB NOT NULL CHECK (length(recipient) = 32),
    UNIQUE (room, log)
) STRICT;

CREATE TABLE held_entry (
    id INTEGER NOT NULL PRIMARY KEY,
    held INTEGER NOT NULL REFERENCES held (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    arrived INTEGER NOT NULL,
    -- Header, signature and sealed body as they were signed.
    bytes BLOB NOT NULL,
    UNIQUE (held, seq)
) STRICT;

-- What those for whom something was kept have signed to hold, until its author has asked, or for as long as mail is kept.
CREATE TABLE taken (
    room BLOB NOT NULL CHECK (length(room) = 32),
    log BLOB NOT NULL CHECK (length(log) = 8),
    -- The places behind base, up to seq.
    base INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    at INTEGER NOT NULL,
    PRIMARY KEY (room, log)
) STRICT, WITHOUT ROWID;

-- What others say to keep of this device's logs: the places behind base, up to seq.
CREATE TABLE kept (
    room INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    holder BLOB NOT NULL CHECK (length(holder) = 32),
    log BLOB NOT NULL CHECK (length(log) = 8),
    base INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    -- When it last took something.
    at INTEGER NOT NULL,
    PRIMARY KEY (room, holder)
) STRICT, WITHOUT ROWID;

-- Whether this device keeps mail for others. NULL: none chosen, the engine's default holds.
ALTER TABLE setting ADD COLUMN hold INTEGER CHECK (hold IN (0, 1));
-- How many bytes of it. NULL: none chosen, the engine's default holds.
ALTER TABLE setting ADD COLUMN hold_bytes INTEGER;
