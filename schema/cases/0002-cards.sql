-- Cards (憑證IC卡) of the CAs that are our own: who holds them, which certificates are on them,
-- and whether they are in force. The lists that the CAs publish are made from this.

CREATE TABLE cards (
    -- 卡號, as printed on the card.
    number       TEXT PRIMARY KEY CHECK (length(number) = 16 AND number = upper(number)),
    company_name TEXT NOT NULL CHECK (company_name <> ''),
    ubn          TEXT NOT NULL CHECK (length(ubn) = 8),
    email        TEXT NOT NULL CHECK (email <> ''),
    -- 用戶代碼 as Argon2id: never in the clear.
    code_hash    TEXT NOT NULL CHECK (code_hash GLOB '$argon2id$v=19$m=19456,t=2,p=1$*'),
    state        TEXT NOT NULL CHECK (state IN ('valid', 'held', 'revoked')),
    since        INTEGER NOT NULL,
    -- reasonCode of the lists: 6 (certificateHold) while it is held, another when it is revoked.
    reason       INTEGER,
    CHECK ((state = 'valid') = (reason IS NULL)),
    CHECK ((state = 'held') = (reason IS 6)),
    CHECK (reason IS NULL OR reason IN (0, 1, 3, 4, 5, 6, 9))
) STRICT, WITHOUT ROWID;

CREATE INDEX cards_by_name ON cards (company_name);
CREATE INDEX cards_by_ubn ON cards (ubn);
CREATE INDEX cards_by_email ON cards (lower(email));

CREATE TRIGGER a_revoked_card_stays_revoked BEFORE UPDATE OF state ON cards
WHEN OLD.state = 'revoked' AND NEW.state <> 'revoked'
BEGIN SELECT RAISE (ABORT, 'a revoked card stays revoked'); END;

CREATE TRIGGER a_card_is_never_deleted BEFORE DELETE ON cards
BEGIN SELECT RAISE (ABORT, 'cards are never deleted'); END;

CREATE TABLE card_certificates (
    -- SHA-256 of the issuing CA's certificate.
    issuer    BLOB NOT NULL CHECK (length(issuer) = 32),
    -- Serial number without leading zeros.
    serial    BLOB NOT NULL CHECK (length(serial) BETWEEN 1 AND 20),
    -- Serial number as encoded, for the lists.
    encoded   BLOB NOT NULL,
    sha256    BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    card      TEXT NOT NULL REFERENCES cards (number),
    -- Address of its partition; NULL where it names none.
    partition TEXT,
    not_after INTEGER NOT NULL,
    PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;

CREATE INDEX card_certificates_by_serial ON card_certificates (serial);
CREATE INDEX card_certificates_by_card ON card_certificates (card);

-- Wrong 用戶代碼, for card numbers that nobody has as for others, so that no answer tells them
-- apart. After three no code is compared any more, until the card itself or the operator unlocks.
CREATE TABLE wrong_codes (
    card    TEXT PRIMARY KEY CHECK (length(card) = 16),
    wrong   INTEGER NOT NULL CHECK (wrong BETWEEN 1 AND 3),
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The lists that our own CAs publish, and served as they are: those of one number become current
-- together. The last ones stay when a new one is refused.
CREATE TABLE published_lists (
    -- Where it is served, below /crl/.
    name        TEXT PRIMARY KEY CHECK (name GLOB '*/*'),
    issuer      BLOB NOT NULL CHECK (length(issuer) = 32),
    -- Address of the partition, or '' for the complete list.
    partition   TEXT NOT NULL,
    -- Whether it is a delta to the complete list before it.
    delta       INTEGER NOT NULL CHECK (delta IN (0, 1)),
    number      INTEGER NOT NULL CHECK (number > 0),
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL CHECK (next_update > this_update),
    der         BLOB NOT NULL,
    UNIQUE (issuer, partition, delta)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER numbers_of_lists_rise BEFORE UPDATE ON published_lists
WHEN NEW.number <= OLD.number OR NEW.this_update < OLD.this_update
BEGIN SELECT RAISE (ABORT, 'the number of a list rises'); END;

CREATE TRIGGER a_list_is_never_withdrawn BEFORE DELETE ON published_lists
BEGIN SELECT RAISE (ABORT, 'lists are replaced, never withdrawn'); END;

-- What became of the last attempt to publish, for whoever watches.
CREATE TABLE list_attempts (
    issuer       BLOB PRIMARY KEY CHECK (length(issuer) = 32),
    attempted_at INTEGER NOT NULL,
    -- `begun` before anything is signed: what is killed stays so, for it says no more.
    outcome      TEXT NOT NULL CHECK (outcome IN ('begun', 'failed', 'published')),
    failure      TEXT CHECK (failure <> ''),
    CHECK ((failure IS NOT NULL) = (outcome = 'failed'))
) STRICT, WITHOUT ROWID;
