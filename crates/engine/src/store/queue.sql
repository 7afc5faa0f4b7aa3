-- The queue of transfers: what is paused, in which order the others start, when each was over; and what people chose.

ALTER TABLE transfer ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1));
-- Of what was accepted; those with smaller ones start first. 0: none.
ALTER TABLE transfer ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- Milliseconds since 1970. NULL: it is not over, or nobody knows.
ALTER TABLE transfer ADD COLUMN finished INTEGER;

-- Bytes per second; 0: none.
ALTER TABLE setting ADD COLUMN upload_limit INTEGER;
ALTER TABLE setting ADD COLUMN download_limit INTEGER;
-- Transfers that are fetched at a time onto one disk.
ALTER TABLE setting ADD COLUMN at_once INTEGER;
