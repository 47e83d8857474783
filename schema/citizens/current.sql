-- The whole schema, for reading. Generated from the steps: `cargo test -p store` compares them.

-- The register behind the identity confirmation service (C4): which citizen certificate belongs
-- to which national ID. No national ID can be read here.

CREATE TABLE citizens (
    -- The serial number in the certificate's subject, 16 digits.
    subject_serial TEXT NOT NULL CHECK (length(subject_serial) = 16),
    -- Keyed digest of the national ID, by the key of the register of identity cards.
    person         BLOB NOT NULL CHECK (length(person) = 16),
    -- Whether a certificate of this person was opened (開卡).
    opened         INTEGER NOT NULL CHECK (opened IN (0, 1)),
    PRIMARY KEY (subject_serial, person)
) STRICT, WITHOUT ROWID;

-- Files that were imported, so that none is taken twice or out of order.
CREATE TABLE imports (
    sha256      BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    -- The day that the file describes, YYYY-MM-DD.
    as_of       TEXT NOT NULL CHECK (as_of GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    citizens    INTEGER NOT NULL CHECK (citizens > 0),
    finished_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
