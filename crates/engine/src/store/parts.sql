-- What a person chose of an offer, and what came of single files.

-- Which items of the manifest: their number (u32, big-endian), and a bit for each. NULL: all.
ALTER TABLE transfer_note ADD COLUMN chosen BLOB;
-- Files and bytes that this is; once it is over, what is here.
ALTER TABLE transfer_note ADD COLUMN chosen_files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfer_note ADD COLUMN chosen_bytes INTEGER NOT NULL DEFAULT 0;
-- Bytes that were here before.
ALTER TABLE transfer_note ADD COLUMN here INTEGER NOT NULL DEFAULT 0;
-- Files that did not come.
ALTER TABLE transfer_note ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
