-- Private rooms: how this device stands to each, its keys, and the entries that say who is in.
ALTER TABLE room ADD COLUMN private INTEGER NOT NULL DEFAULT 0 CHECK (private IN (0, 1));

CREATE TABLE standing (
    room INTEGER NOT NULL PRIMARY KEY REFERENCES room (id) ON DELETE CASCADE,
    -- 0 inside, 1 joining, 2 refused because the invite ended, 3 because it was revoked, 4 leaving.
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),
    -- The invite with which it is joining. NULL: it is not.
    secret BLOB CHECK (length(secret) = 16),
    -- Who made it. NULL: as above.
    inviter BLOB CHECK (length(inviter) = 32),
    -- By the clock of whoever made it. NULL: as above.
    expires INTEGER
) STRICT;

-- Secret, like the device key beside the database: both are readable by their owner only.
CREATE TABLE room_key (
    room INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    key BLOB NOT NULL CHECK (length(key) = 32),
    PRIMARY KEY (room, epoch, key)
) STRICT, WITHOUT ROWID;

-- The entries that say who is in, a second time: all of them are read at every start.
CREATE TABLE deed (
    entry BLOB NOT NULL PRIMARY KEY CHECK (length(entry) = 32),
    room INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    -- Header, signature and body as they were signed.
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX deed_of_room ON deed (room);

-- Deletes are judged again when others moderate the room.
CREATE INDEX mark_deletes ON mark (room, whose, target) WHERE kind = 3;
