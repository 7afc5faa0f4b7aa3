-- Folders that this device shares, and what was taken of shared folders.

CREATE TABLE share (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    share BLOB NOT NULL UNIQUE CHECK (length(share) = 16),
    name TEXT NOT NULL,
    -- In the system's own bytes.
    path BLOB NOT NULL,
    -- Whoever is in this room may see it. NULL: it is shared with these people, or where that is NULL, too, with everybody.
    room BLOB CHECK (length(room) = 32),
    -- These devices may, one behind the other. NULL: it is shared with a room, or with everybody.
    people BLOB CHECK (length(people) % 32 = 0),
    CHECK (room IS NULL OR people IS NULL)
) STRICT;

-- The shared folder that it was taken from; no entry made it then, and entry is zeros. NULL: an entry made the offer.
ALTER TABLE transfer ADD COLUMN share BLOB CHECK (length(share) = 16);
-- The device that asked for it. NULL: an entry made the offer.
ALTER TABLE transfer ADD COLUMN share_to BLOB CHECK (length(share_to) = 32);
