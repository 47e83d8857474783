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
