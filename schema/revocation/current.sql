-- The whole schema, for reading. Generated from the steps: `cargo test -p store` compares them.

-- Revocation lists of the issuing CAs, entry by entry, so that the largest costs no more
-- at request time than the smallest. A file of its own: taking a large list must not keep
-- anybody from writing a case. Instants are whole seconds since 1970-01-01 UTC.

CREATE TABLE crls (
    -- Never used again: a list that is being deleted is no other one.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the certificate whose key signed the list.
    issuer      BLOB NOT NULL CHECK (length(issuer) = 32),
    -- What it covers, JSON.
    scope       TEXT NOT NULL CHECK (json_valid(scope)),
    -- cRLNumber, 40 hexadecimal digits: texts compare as numbers do.
    number      TEXT NOT NULL CHECK (length(number) = 40),
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    sha256      TEXT NOT NULL CHECK (length(sha256) = 64),
    taken_at    INTEGER NOT NULL,
    -- Entries are being written; it counts; its entries are being deleted.
    state       TEXT NOT NULL CHECK (state IN ('writing', 'current', 'retired')),
    CHECK (next_update >= this_update)
) STRICT;

CREATE UNIQUE INDEX one_current_crl ON crls (issuer, scope) WHERE state = 'current';

CREATE TABLE crl_entries (
    crl        INTEGER NOT NULL REFERENCES crls (id),
    serial     BLOB NOT NULL,
    -- reasonCode; NULL when the list does not say.
    reason     INTEGER CHECK (reason BETWEEN 0 AND 10),
    revoked_at INTEGER NOT NULL,
    PRIMARY KEY (crl, serial)
) STRICT, WITHOUT ROWID;

-- What each address gave last, for conditional requests and for operators.
CREATE TABLE crl_fetches (
    url           TEXT PRIMARY KEY,
    etag          TEXT,
    last_modified TEXT,
    attempted_at  INTEGER NOT NULL,
    succeeded_at  INTEGER,
    -- A code for operators; NULL when the last attempt succeeded.
    failure       TEXT
) STRICT, WITHOUT ROWID;

-- How often an address has asked about cards in an hour, against harvesting. Here, since it must
-- keep nobody from writing a case.

CREATE TABLE card_requests (
    -- What was asked: `status` or `code`.
    kind   TEXT NOT NULL CHECK (kind IN ('status', 'code')),
    -- Keyed digest of the source address (IPv6: of its /64).
    source BLOB NOT NULL CHECK (length(source) = 16),
    -- Hours since 1970-01-01 UTC.
    hour   INTEGER NOT NULL,
    count  INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (kind, source, hour)
) STRICT, WITHOUT ROWID;

CREATE INDEX card_requests_by_hour ON card_requests (hour);
