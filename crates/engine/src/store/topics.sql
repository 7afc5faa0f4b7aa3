-- Of each author the newest word on what a room is about, and on whether a message is pinned: whoever is blocked is left out.
CREATE TABLE topics_before AS SELECT room, topic, place, author, seq, nonce FROM topic;
DROP TABLE topic;
CREATE TABLE topic (
    room INTEGER NOT NULL,
    topic TEXT NOT NULL,
    place INTEGER NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    PRIMARY KEY (room, author)
) STRICT, WITHOUT ROWID;
INSERT INTO topic SELECT room, topic, place, author, seq, nonce FROM topics_before;
DROP TABLE topics_before;
CREATE INDEX topic_newest ON topic (room, place, author, seq, nonce);

-- A pin's `whose` was empty, the newest word of anybody: it is its author's now, as that of an edit is.
UPDATE mark SET whose = author WHERE kind = 16;
