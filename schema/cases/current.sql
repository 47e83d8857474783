-- The whole schema, for reading. Generated from the steps: `cargo test -p store` compares them.

-- Companies, their cases and accounts, officers, and challenges.
-- Instants are whole seconds since 1970-01-01 UTC.

CREATE TABLE challenges (
    challenge  TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL,
    origin     TEXT NOT NULL,
    -- The company in whose session it was issued; NULL for a sign-in.
    ubn        TEXT,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    CHECK (length(challenge) >= 43),
    CHECK (expires_at > issued_at),
    CHECK ((purpose = 'sign-in') = (ubn IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX challenges_by_expiry ON challenges (expires_at);

CREATE TABLE officers (
    id             INTEGER PRIMARY KEY,
    -- Serial number in the subject of the citizen certificate: the person's, across renewals.
    subject_serial TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    role           TEXT NOT NULL
                   CHECK (role IN ('officer', 'supervisor', 'auditor', 'administrator')),
    -- The company that the person has to do with; its cases are for others.
    own_company    TEXT CHECK (length(own_company) = 8),
    added_at       INTEGER NOT NULL,
    removed_at     INTEGER
) STRICT;

CREATE TABLE cases (
    id           TEXT PRIMARY KEY,
    ubn          TEXT NOT NULL CHECK (length(ubn) = 8),
    kind         TEXT NOT NULL
                 CHECK (kind IN ('api-application', 'certificate-upload', 'data-change', 'address-change',
                                 'api-stop')),
    state        TEXT NOT NULL
                 CHECK (state IN ('accepted', 'approved', 'rejected', 'cancelled', 'uploaded')),
    submitted_at INTEGER NOT NULL,
    decided_at   INTEGER,
    decided_by   INTEGER REFERENCES officers (id),
    result       TEXT,
    -- An upload is never reviewed; everything else begins with review.
    CHECK ((kind = 'certificate-upload') = (state = 'uploaded')),
    -- A decision has an officer, a time and a result text; nothing else has.
    CHECK ((state IN ('approved', 'rejected')) = (decided_at IS NOT NULL)),
    CHECK ((decided_at IS NULL) = (decided_by IS NULL) AND (decided_at IS NULL) = (result IS NULL))
) STRICT, WITHOUT ROWID;

-- [WARNING-02]: one case under way for each company.
CREATE UNIQUE INDEX one_open_case ON cases (ubn) WHERE state = 'accepted';
CREATE TRIGGER nobody_decides_an_own_case BEFORE UPDATE OF decided_by ON cases
WHEN EXISTS (SELECT 1 FROM officers WHERE id = NEW.decided_by AND own_company = NEW.ubn)
BEGIN SELECT RAISE (ABORT, 'an officer decides no case of their own company'); END;

CREATE INDEX cases_by_company ON cases (ubn, submitted_at);
CREATE INDEX cases_by_state ON cases (state, submitted_at);

-- What was applied for, and the evidence: the CMS message exactly as received.
CREATE TABLE applications (
    case_id         TEXT PRIMARY KEY REFERENCES cases (id),
    company_name    TEXT NOT NULL,
    host_address    TEXT NOT NULL,
    contact_name    TEXT NOT NULL,
    landline        TEXT,
    mobile          TEXT,
    email           TEXT NOT NULL,
    reason          TEXT NOT NULL,
    notice_version  TEXT NOT NULL,
    notice_sha256   TEXT NOT NULL,
    rules_version   TEXT NOT NULL,
    rules_sha256    TEXT NOT NULL,
    -- The name in the certificate that signed, beside the name that was typed.
    signer_name     TEXT NOT NULL,
    challenge       TEXT NOT NULL UNIQUE,
    signed_data     BLOB NOT NULL,
    -- What the acceptance of the signature was based on, JSON.
    judgement       TEXT NOT NULL CHECK (json_valid(judgement)),
    CHECK (landline IS NOT NULL OR mobile IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE TABLE case_events (
    id        INTEGER PRIMARY KEY,
    case_id   TEXT NOT NULL REFERENCES cases (id),
    at        INTEGER NOT NULL,
    -- 'applicant:<統一編號>' or 'officer:<id>'
    actor     TEXT NOT NULL,
    event     TEXT NOT NULL
              CHECK (event IN ('submitted', 'uploaded', 'cancelled', 'approved', 'rejected'))
) STRICT;

CREATE INDEX case_events_by_case ON case_events (case_id, id);

CREATE TRIGGER case_events_are_never_changed BEFORE UPDATE ON case_events
BEGIN SELECT RAISE (ABORT, 'case_events are append-only'); END;

CREATE TRIGGER case_events_are_never_deleted BEFORE DELETE ON case_events
BEGIN SELECT RAISE (ABORT, 'case_events are append-only'); END;

-- Every apId ever issued: none is used twice.
CREATE TABLE ap_ids (
    ap_id     TEXT PRIMARY KEY CHECK (length(ap_id) = 5),
    ubn       TEXT NOT NULL,
    issued_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    ubn            TEXT PRIMARY KEY,
    company_name   TEXT NOT NULL,
    host_address   TEXT NOT NULL,
    contact_name   TEXT NOT NULL,
    landline       TEXT,
    mobile         TEXT,
    email          TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'stopped', 'revoked')),
    ap_id          TEXT NOT NULL UNIQUE REFERENCES ap_ids (ap_id),
    -- Keyed digest, for looking up a token's issuer; and the key itself, sealed.
    iss_key_digest BLOB UNIQUE CHECK (length(iss_key_digest) = 16),
    iss_key_sealed BLOB,
    approved_at    INTEGER NOT NULL,
    CHECK (landline IS NOT NULL OR mobile IS NOT NULL),
    CHECK ((iss_key_digest IS NULL) = (iss_key_sealed IS NULL))
) STRICT, WITHOUT ROWID;

-- Certificates of calling systems. The one without an end is in use; a former one until
-- its end, which may lie ahead.
CREATE TABLE certificates (
    sha256        BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    ubn           TEXT NOT NULL REFERENCES accounts (ubn),
    case_id       TEXT NOT NULL REFERENCES cases (id),
    serial_number TEXT NOT NULL,
    not_before    INTEGER NOT NULL,
    not_after     INTEGER NOT NULL,
    -- RFC 8017 RSAPublicKey, DER.
    public_key    BLOB NOT NULL,
    certificate   BLOB NOT NULL,
    -- What its acceptance was based on, JSON.
    judgement     TEXT NOT NULL CHECK (json_valid(judgement)),
    -- Proof that the company held the key (challenge and signature), JSON; where given.
    possession    TEXT CHECK (json_valid(possession)),
    uploaded_at   INTEGER NOT NULL,
    replaced_at   INTEGER,
    CHECK (not_after > not_before)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_certificate_in_use ON certificates (ubn) WHERE replaced_at IS NULL;
CREATE INDEX certificates_by_company ON certificates (ubn, replaced_at);

-- The office calendar: days that are not as their day of the week says.
CREATE TABLE calendar_days (
    -- YYYY-MM-DD
    day     TEXT PRIMARY KEY CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    working INTEGER NOT NULL CHECK (working IN (0, 1)),
    note    TEXT NOT NULL,
    -- Said by an administrator of this one day: a calendar that is imported later keeps it.
    by_hand INTEGER NOT NULL CHECK (by_hand IN (0, 1))
) STRICT, WITHOUT ROWID;
