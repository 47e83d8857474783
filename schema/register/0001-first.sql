-- National identity cards as keyed digests: no number, date or place can be read here.

CREATE TABLE id_cards (
    -- Keyed digest of the national ID.
    person BLOB PRIMARY KEY CHECK (length(person) = 16),
    -- Keyed digest of number, code, date and site of the card in force.
    card   BLOB NOT NULL CHECK (length(card) = 16),
    -- 0 in force, 6 number no longer in use, 7 reported lost (codes of the interface document).
    state  INTEGER NOT NULL CHECK (state IN (0, 6, 7)),
    -- Whether the holder had another number before (codes 9 and A).
    changed INTEGER NOT NULL CHECK (changed IN (0, 1))
) STRICT, WITHOUT ROWID;
