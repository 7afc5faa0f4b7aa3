-- What was offered in a room, newest first, and what became of each offer.
CREATE INDEX message_offer ON message (room, place, author, seq, nonce) WHERE kind = 5;
CREATE INDEX transfer_of_entry ON transfer (entry);
