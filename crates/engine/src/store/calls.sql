-- Over which devices a person speaks and hears in calls.

-- What the microphone is called. NULL: whichever the system uses.
ALTER TABLE setting ADD COLUMN microphone TEXT;
-- What plays the sound. NULL: whichever the system uses.
ALTER TABLE setting ADD COLUMN speaker TEXT;
