-- Entries are numbered in the order in which they arrive, by entry.id, and no number is used twice: so there is an answer
-- to what arrived since.

-- The highest number that may have been given up with its entry: exactly one row.
CREATE TABLE arrival (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    given_up INTEGER NOT NULL
) STRICT;

INSERT INTO arrival (one, given_up) VALUES (1, 0);

-- The numbers of each room's entries, in order.
CREATE INDEX entry_arrived ON entry (room);
