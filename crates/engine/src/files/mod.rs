//! Files: opaque handles, safe names, ranged reads, hashing while moving, staging and renaming.
