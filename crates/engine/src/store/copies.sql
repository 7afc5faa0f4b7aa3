-- Copies as facts: whose log contradicts itself and from where on, and since when a copy of this device is known of.

-- NULL: an earlier version wrote down only the log, and nothing else of it is here.
ALTER TABLE fork ADD COLUMN author BLOB CHECK (length(author) = 32);
-- From this place on others may have another entry. NULL: an earlier version did not write it down.
ALTER TABLE fork ADD COLUMN seq INTEGER;
UPDATE fork SET author = (SELECT author FROM log WHERE log.room = fork.room AND log.log = fork.log);

-- NULL: no copy is known of, or a person said that there is none any more.
ALTER TABLE node ADD COLUMN cloned INTEGER;
