-- Credential registration and its handlers (憑證註冊與指派作業). National IDs stand here as keyed
-- digests and their last four characters only.

-- Organisations as they were imported: which code and which number belong together.
CREATE TABLE organisations (
    -- 機關代號.
    code       TEXT PRIMARY KEY CHECK (length(code) BETWEEN 3 AND 12),
    name       TEXT NOT NULL CHECK (name <> ''),
    -- Organisation OID, or a company's 統一編號.
    number     TEXT NOT NULL CHECK (number <> ''),
    -- 縣市: decides which office is in charge.
    region     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE organisation_snapshot (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    as_of       TEXT NOT NULL,
    imported_at INTEGER NOT NULL
) STRICT;

-- A registered organisation and its one manager (授權管理者).
CREATE TABLE registrations (
    id                  INTEGER PRIMARY KEY,
    code                TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL,
    number              TEXT NOT NULL,
    organisation_serial TEXT NOT NULL,
    manager_name        TEXT NOT NULL,
    manager_serial      TEXT NOT NULL,
    -- The CA's number of the manager, which stays when the card is renewed.
    manager_subject     TEXT NOT NULL,
    manager_person      BLOB NOT NULL CHECK (length(manager_person) = 16),
    manager_tail        TEXT NOT NULL CHECK (length(manager_tail) = 4),
    contact_name        TEXT NOT NULL,
    email               TEXT NOT NULL,
    phone               TEXT NOT NULL,
    registered_at       INTEGER NOT NULL,
    -- One more with each replacement: a visit that began before it does nothing any more.
    revision            INTEGER NOT NULL DEFAULT 1 CHECK (revision > 0)
) STRICT;

-- A company has one registration, so that its handlers act for it unmistakably.
CREATE UNIQUE INDEX one_registration_of_a_number ON registrations (number);

-- A visit with cards. What the cards said stays here until the visit is over; what came of it
-- goes to registration_receipts.
CREATE TABLE visits (
    -- SHA-256 of the visit's token, in hexadecimal.
    id             TEXT PRIMARY KEY CHECK (length(id) = 64),
    kind           TEXT NOT NULL,
    begun_at       INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL CHECK (expires_at > begun_at),
    -- Set when the visit has done what it was for.
    finished_at    INTEGER,
    -- What the invitation of a handler is known by.
    invitation     BLOB CHECK (length(invitation) = 32),
    -- The registration as it was when the first card was shown.
    registration   INTEGER REFERENCES registrations (id),
    revision       INTEGER,
    -- Step 1: what the organisation's card said, and its evidence.
    code           TEXT,
    organisation   TEXT CHECK (json_valid(organisation)),
    organisation_signed    BLOB,
    organisation_judgement TEXT CHECK (json_valid(organisation_judgement)),
    -- Whether code and card fit the register, or officers said so; 0: a review has to be asked for.
    admitted       INTEGER NOT NULL DEFAULT 0 CHECK (admitted IN (0, 1)),
    -- Step 2: the citizen's card.
    citizen        TEXT CHECK (json_valid(citizen)),
    person         BLOB CHECK (length(person) = 16),
    citizen_signed    BLOB,
    citizen_judgement TEXT CHECK (json_valid(citizen_judgement)),
    -- Whether it may do what the visit is for; 0: another person, of whom officers are asked.
    confirmed      INTEGER NOT NULL DEFAULT 0 CHECK (confirmed IN (0, 1)),
    -- The handler whose card it is, where it is not the manager's.
    handler        INTEGER REFERENCES handlers (id),
    CHECK ((organisation IS NULL) = (organisation_signed IS NULL)
        AND (organisation IS NULL) = (organisation_judgement IS NULL)),
    CHECK ((citizen IS NULL) = (citizen_signed IS NULL) AND (citizen IS NULL) = (citizen_judgement IS NULL)
        AND (citizen IS NULL) = (person IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX visits_by_expiry ON visits (expires_at);

-- What was received (收件紀錄), with the evidence of both cards.
CREATE TABLE registration_receipts (
    id                     INTEGER PRIMARY KEY,
    registration           INTEGER NOT NULL REFERENCES registrations (id),
    received_at            INTEGER NOT NULL,
    item                   TEXT NOT NULL
                           CHECK (item IN ('register', 'replace-organisation', 'replace-manager', 'replace-both')),
    name                   TEXT NOT NULL,
    terms_version          TEXT NOT NULL,
    terms_sha256           TEXT NOT NULL,
    organisation_serial    TEXT NOT NULL,
    manager_serial         TEXT NOT NULL,
    -- What was replaced.
    former_organisation    TEXT,
    former_manager         TEXT,
    organisation_signed    BLOB NOT NULL,
    organisation_judgement TEXT NOT NULL CHECK (json_valid(organisation_judgement)),
    citizen_signed         BLOB NOT NULL,
    citizen_judgement      TEXT NOT NULL CHECK (json_valid(citizen_judgement)),
    CHECK ((item = 'register') = (former_organisation IS NULL AND former_manager IS NULL))
) STRICT;

CREATE INDEX registration_receipts_by_registration ON registration_receipts (registration, id);

CREATE TRIGGER receipts_stay_as_they_are BEFORE UPDATE ON registration_receipts
BEGIN SELECT RAISE (ABORT, 'a receipt is never changed'); END;

-- 授權經辦人.
CREATE TABLE handlers (
    id               INTEGER PRIMARY KEY,
    registration     INTEGER NOT NULL REFERENCES registrations (id),
    name             TEXT NOT NULL CHECK (name <> ''),
    person           BLOB NOT NULL CHECK (length(person) = 16),
    tail             TEXT NOT NULL CHECK (length(tail) = 4),
    -- 憑證序號; NULL while an invitation waits.
    serial_number    TEXT CHECK (length(serial_number) >= 32),
    -- The CA's number of the person, once the own card was seen.
    subject_serial   TEXT,
    email            TEXT,
    -- Names of permissions, JSON: at least one.
    permissions      TEXT NOT NULL CHECK (json_valid(permissions) AND json_array_length(permissions) > 0),
    -- SHA-256 of the invitation's token, and until when it may be proved.
    invitation       BLOB UNIQUE CHECK (length(invitation) = 32),
    invitation_until INTEGER,
    added_at         INTEGER NOT NULL,
    removed_at       INTEGER,
    revision         INTEGER NOT NULL DEFAULT 1,
    CHECK ((invitation IS NULL) = (invitation_until IS NULL)),
    CHECK (serial_number IS NOT NULL OR invitation IS NOT NULL OR removed_at IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX one_entry_of_a_person ON handlers (registration, person) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX one_entry_of_a_card ON handlers (registration, serial_number) WHERE removed_at IS NULL;
CREATE INDEX handlers_by_card ON handlers (serial_number) WHERE removed_at IS NULL;
CREATE INDEX handlers_by_person ON handlers (person) WHERE removed_at IS NULL;

CREATE TRIGGER handlers_know_permissions BEFORE INSERT ON handlers
WHEN EXISTS (SELECT 1 FROM json_each(NEW.permissions) WHERE value NOT IN
    ('registrations', 'delegate', 'replace', 'certificates', 'apply', 'progress', 'cancel'))
BEGIN SELECT RAISE (ABORT, 'no such permission'); END;

CREATE TRIGGER handlers_keep_to_permissions BEFORE UPDATE OF permissions ON handlers
WHEN EXISTS (SELECT 1 FROM json_each(NEW.permissions) WHERE value NOT IN
    ('registrations', 'delegate', 'replace', 'certificates', 'apply', 'progress', 'cancel'))
BEGIN SELECT RAISE (ABORT, 'no such permission'); END;

-- What officers are asked before a registration goes through (figures 3-6, 3-7): what such a
-- case has beside every application. Its first message is the organisation's.
CREATE TABLE registration_forms (
    case_id             TEXT NOT NULL,
    version             INTEGER NOT NULL,
    -- 機關代號 as typed.
    code                TEXT NOT NULL CHECK (length(code) BETWEEN 3 AND 12),
    organisation_serial TEXT NOT NULL,
    phone               TEXT NOT NULL CHECK (phone <> ''),
    -- Who is to be the manager, where that is the question, and what that card signed.
    manager_name        TEXT,
    manager_person      BLOB CHECK (length(manager_person) = 16),
    citizen_signed      BLOB,
    citizen_judgement   TEXT CHECK (json_valid(citizen_judgement)),
    PRIMARY KEY (case_id, version),
    FOREIGN KEY (case_id, version) REFERENCES applications (case_id, version),
    CHECK ((manager_name IS NULL) = (manager_person IS NULL)
        AND (manager_name IS NULL) = (citizen_signed IS NULL)
        AND (manager_name IS NULL) = (citizen_judgement IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX registration_forms_by_code ON registration_forms (code);
