-- What a person chose: whether this device helps others, and how they want to be shown; and how others do.

-- Whether bytes are passed on between devices that cannot dial each other. NULL: nobody said; then they are.
ALTER TABLE setting ADD COLUMN relay INTEGER CHECK (relay IN (0, 1));

-- How this device's person wants to be shown: one of eight colours, and one emoji. NULL: as the device key has it.
ALTER TABLE setting ADD COLUMN color INTEGER CHECK (color BETWEEN 0 AND 7);
-- NULL: as the device key has it.
ALTER TABLE setting ADD COLUMN emoji TEXT CHECK ((emoji IS NULL) = (color IS NULL));

-- How others say that they want to be shown. NULL: they do not.
ALTER TABLE peer ADD COLUMN color INTEGER CHECK (color BETWEEN 0 AND 7);
-- NULL: they do not.
ALTER TABLE peer ADD COLUMN emoji TEXT CHECK ((emoji IS NULL) = (color IS NULL));
