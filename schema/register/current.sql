-- The whole schema, for reading. Generated from the steps: `cargo test -p store` compares them.

-- National identity cards as keyed digests: no number, date or place can be read here.

CREATE TABLE id_cards (
    -- Keyed digest of the national ID.
    person BLOB PRIMARY KEY CHECK (length(person) = 16),
    -- Keyed digest of number, code, date and site of the card in force.
    card   BLOB NOT NULL CHECK (length(card) = 16),
    -- 0 in force, 6 number no longer in use, 7 reported lost (codes of the interface document).
    -- Not IN: for three values SQLite would make a table each time.
    state  INTEGER NOT NULL CHECK (state = 0 OR state = 6 OR state = 7),
    -- Whether the holder had another number before (codes 9 and A).
    changed INTEGER NOT NULL CHECK (changed IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Files that were imported, so that none is taken twice or out of order.
CREATE TABLE imports (
    sha256      BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    -- The day that the file describes, YYYY-MM-DD.
    as_of       TEXT NOT NULL CHECK (as_of GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    -- 1: the whole register; 0: what changed.
    whole       INTEGER NOT NULL CHECK (whole IN (0, 1)),
    cards       INTEGER NOT NULL CHECK (cards > 0),
    -- Whole seconds since 1970-01-01 UTC.
    finished_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
