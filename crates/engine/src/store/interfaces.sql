-- Whether network interfaces are used, where somebody chose.

CREATE TABLE interface_choice (
    -- As the system calls it.
    name TEXT NOT NULL PRIMARY KEY,
    -- 0: never, 1: always.
    used INTEGER NOT NULL CHECK (used IN (0, 1))
) STRICT;
