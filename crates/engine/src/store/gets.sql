-- What this device asked for of somebody's shared folder.

-- The paths in it, as a list in CBOR, so that they can be asked for anew. NULL: it was offered unasked.
ALTER TABLE transfer_note ADD COLUMN asked BLOB;
