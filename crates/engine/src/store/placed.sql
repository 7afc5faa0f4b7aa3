-- Under which names stands what was received.

-- The first names in the folder, as a list in CBOR. NULL: nothing is there yet, or it came before this was noted.
ALTER TABLE transfer_note ADD COLUMN placed BLOB;
