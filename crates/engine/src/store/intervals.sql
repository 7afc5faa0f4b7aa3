-- Logs as intervals, what history is kept, and logs that contradict themselves.

-- The interval of a log that reaches to its head begins behind base.
ALTER TABLE log ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
-- The id of the entry at base; zeros where that is 0.
ALTER TABLE log ADD COLUMN base_id BLOB NOT NULL
    DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000' CHECK (length(base_id) = 32);
-- Nothing up to this place is wanted here any more.
ALTER TABLE log ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;
-- Bytes of its entries.
ALTER TABLE log ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE log SET bytes = (SELECT coalesce(sum(length(bytes)), 0) FROM entry WHERE entry.log = log.id);

-- Older intervals of a log, with holes between them: consecutive entries behind base, up to head.
CREATE TABLE log_interval (
    log INTEGER NOT NULL REFERENCES log (id),
    head INTEGER NOT NULL,
    head_id BLOB NOT NULL CHECK (length(head_id) = 32),
    base INTEGER NOT NULL,
    base_id BLOB NOT NULL CHECK (length(base_id) = 32),
    PRIMARY KEY (log, head)
) STRICT, WITHOUT ROWID;

-- What others signed to hold begins behind base.
ALTER TABLE covered ADD COLUMN base INTEGER NOT NULL DEFAULT 0;

-- For how many days a room's history is kept. NULL: as the settings say.
ALTER TABLE room ADD COLUMN keep_days INTEGER;
-- The same of all rooms; 0: for ever. NULL: none chosen, the engine's default holds.
ALTER TABLE setting ADD COLUMN history_days INTEGER;
-- How many bytes of history are kept in all rooms. NULL: none chosen, the engine's default holds.
ALTER TABLE setting ADD COLUMN history_bytes INTEGER;

-- The oldest entries of a room, messages or not, are found by their place.
CREATE INDEX entry_age ON entry (room, place);

-- Logs of which it is proven that they contradict themselves: nothing more is taken of them.
CREATE TABLE fork (
    room INTEGER NOT NULL REFERENCES room (id),
    log BLOB NOT NULL CHECK (length(log) = 8),
    PRIMARY KEY (room, log)
) STRICT, WITHOUT ROWID;
