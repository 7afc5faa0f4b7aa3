-- The queue of transfers: what is paused, in which order the others start, when each was over; and what people chose.

ALTER TABLE transfer ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1));
-- Of what was accepted; those with smaller ones start first. 0: none.
ALTER TABLE transfer ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- Milliseconds since 1970. NULL: it is not over, or nobody knows.
ALTER TABLE transfer ADD COLUMN finished INTEGER;
-- The newest of those that are over.
DROP INDEX transfer_over;
CREATE INDEX transfer_over ON transfer (finished, id) WHERE state >= 3;

-- Bytes per second that files are given with; 0: no limit. NULL: nothing was chosen.
ALTER TABLE setting ADD COLUMN upload_limit INTEGER;
-- The same of what is fetched. NULL: nothing was chosen.
ALTER TABLE setting ADD COLUMN download_limit INTEGER;
-- Transfers that are fetched at a time onto one disk. NULL: nothing was chosen.
ALTER TABLE setting ADD COLUMN at_once INTEGER;
