-- Each room has a log of this device under a nonce of its own, so that leaving one changes nothing in the others; and
-- logs give way to others where there are too many.

-- Names this device's log in the room.
ALTER TABLE room ADD COLUMN own_nonce BLOB NOT NULL DEFAULT x'0000000000000000' CHECK (length(own_nonce) = 8);
-- The logs go on where they were; not where the next start was to begin others.
UPDATE room SET own_nonce = CASE (SELECT renew_nonce FROM node) WHEN 0 THEN (SELECT nonce FROM node) ELSE randomblob(8) END;
ALTER TABLE node DROP COLUMN nonce;
ALTER TABLE node DROP COLUMN renew_nonce;

-- The hybrid clock of the newest entry that ever was here, as its author wrote it.
ALTER TABLE log ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
UPDATE log SET newest = coalesce((SELECT place FROM entry WHERE entry.log = log.id AND entry.seq = log.head), 0);
-- It gave way to other logs: what is here of it is shown, and given up if it comes back.
ALTER TABLE log ADD COLUMN closed INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1));
