-- What time it certainly is, in Unix milliseconds: what is too old is given up as of this. A clock that jumped is not
-- believed before others bear it out. NULL: nothing was given up by age yet, or by an earlier version.
ALTER TABLE node ADD COLUMN certain INTEGER;
