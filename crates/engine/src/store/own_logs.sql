-- Each room has a log of this device under a nonce of its own, so that leaving one changes nothing in the others.

-- Names this device's log in the room.
ALTER TABLE room ADD COLUMN nonce BLOB NOT NULL DEFAULT x'0000000000000000' CHECK (length(nonce) = 8);
-- The logs go on where they were; not where the next start was to begin others.
UPDATE room SET nonce = CASE (SELECT renew_nonce FROM node) WHEN 0 THEN (SELECT nonce FROM node) ELSE randomblob(8) END;
ALTER TABLE node DROP COLUMN nonce;
ALTER TABLE node DROP COLUMN renew_nonce;
