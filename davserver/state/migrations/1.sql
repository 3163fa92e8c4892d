-- Paths are bytes: a slash before each name, so that all below p lies between p/ and p0.

CREATE TABLE lock (
    token TEXT PRIMARY KEY,
    parent BLOB NOT NULL,
    name BLOB NOT NULL,
    deep INTEGER NOT NULL,
    exclusive INTEGER NOT NULL,
    owner TEXT NOT NULL,
    principal TEXT NOT NULL,
    timeout INTEGER NOT NULL,
    expires REAL NOT NULL
) STRICT;

CREATE INDEX lock_place ON lock (parent, name);

-- A listing asks once, for all rows of one parent.
CREATE TABLE property (
    parent BLOB NOT NULL,
    name BLOB NOT NULL,
    property TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (parent, name, property)
) STRICT, WITHOUT ROWID;
