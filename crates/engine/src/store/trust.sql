-- What a person decided about another device, beside its trust in `peer`.

CREATE TABLE acquaintance (
    peer BLOB NOT NULL PRIMARY KEY CHECK (length(peer) = 32),
    -- What it called itself when its key was compared. NULL: it was not.
    verified_as TEXT,
    -- Under this name a person knows it to be somebody else than the verified device of such a name. NULL: nobody said so.
    apart_as TEXT,
    -- What it was before it was blocked, as in peer.trust. NULL: it is not blocked.
    before_block INTEGER,
    -- Its offers of up to so many bytes are fetched without asking. NULL: none are.
    accept_bytes INTEGER
) STRICT, WITHOUT ROWID;

-- Those of whom nothing is shown.
CREATE INDEX peer_blocked ON peer (peer) WHERE trust = 3;
