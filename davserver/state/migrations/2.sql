-- A row says of which resource it is: inode, time of birth in nanoseconds, kind as a mode has it.
-- 0 is what nobody has looked up yet.

ALTER TABLE lock ADD COLUMN inode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lock ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lock ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE property ADD COLUMN inode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE property ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE property ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;

-- What is about to be done to names and rows together, until both are done. Paths are whole, and
-- empty where the operation has none; stamps are inode, birth and kind with blanks between.
CREATE TABLE intent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    lasts INTEGER NOT NULL,
    operation TEXT NOT NULL,
    source BLOB NOT NULL,
    target BLOB NOT NULL,
    staged BLOB NOT NULL,
    aside BLOB NOT NULL,
    displaced BLOB NOT NULL,
    moved TEXT NOT NULL,
    left_behind TEXT NOT NULL,
    replaced TEXT NOT NULL,
    old_time TEXT NOT NULL,
    new_time TEXT NOT NULL
) STRICT;

-- Seconds between the time of a boot and that of the epoch, so that no step of the wall clock
-- ends a lock or keeps it alive.
CREATE TABLE clock (
    boot TEXT PRIMARY KEY,
    ahead REAL NOT NULL
) STRICT;
