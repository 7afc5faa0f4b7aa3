-- What a person is told of by the system while they look elsewhere.

CREATE TABLE notification (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- Nothing is told.
    do_not_disturb INTEGER NOT NULL CHECK (do_not_disturb IN (0, 1)),
    -- What was written is shown.
    previews INTEGER NOT NULL CHECK (previews IN (0, 1)),
    -- Of rooms without a level of their own; levels as below.
    rooms INTEGER NOT NULL CHECK (rooms IN (0, 1, 2))
) STRICT;

-- Conversations with a level of their own.
CREATE TABLE room_notification (
    room INTEGER NOT NULL PRIMARY KEY REFERENCES room (id) ON DELETE CASCADE,
    -- 0: nothing, 1: what mentions or answers this device, 2: everything.
    level INTEGER NOT NULL CHECK (level IN (0, 1, 2))
) STRICT;
