-- Companies, their cases and accounts, officers, and challenges.
-- Instants are whole seconds since 1970-01-01 UTC.

CREATE TABLE challenges (
    challenge  TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL,
    origin     TEXT NOT NULL,
    -- The applicant in whose session it was issued; NULL for a sign-in, for unlocking a card and in a visit.
    applicant  TEXT,
    -- The visit of the credential registration that it belongs to.
    visit      TEXT,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    CHECK (length(challenge) >= 43),
    CHECK (expires_at > issued_at),
    CHECK ((purpose IN ('sign-in', 'unlock-card') OR visit IS NOT NULL) = (applicant IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX challenges_by_expiry ON challenges (expires_at);

CREATE TABLE officers (
    id             INTEGER PRIMARY KEY,
    -- What the card is known by across renewals: the serial number in the subject of a citizen
    -- certificate, or 'OID:' and the organisation OID of an agency's.
    subject_serial TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    role           TEXT NOT NULL
                   CHECK (role IN ('officer', 'supervisor', 'auditor', 'administrator')),
    -- The applicant that the person has to do with; its cases are for others.
    own_company    TEXT CHECK (length(own_company) = 8 OR own_company GLOB 'OID:*'),
    added_at       INTEGER NOT NULL,
    removed_at     INTEGER
) STRICT;

CREATE TABLE cases (
    id           TEXT PRIMARY KEY,
    -- 統一編號 of a company, or 'OID:' and an organisation OID.
    applicant    TEXT NOT NULL CHECK (length(applicant) = 8 OR applicant GLOB 'OID:[0-9]*'),
    service      TEXT NOT NULL CHECK (service IN ('api', 'confirmation', 'registration')),
    kind         TEXT NOT NULL
                 CHECK (kind IN ('api-application', 'certificate-upload', 'data-change', 'address-change',
                                 'api-stop', 'improvement-plan', 'confirmation-start',
                                 'confirmation-stop', 'registration-mismatch',
                                 'manager-change')),
    state        TEXT NOT NULL
                 CHECK (state IN ('accepted', 'approved', 'rejected', 'cancelled', 'uploaded')),
    submitted_at INTEGER NOT NULL,
    -- Which of its applications counts: an answer to a question brings a new one.
    version      INTEGER NOT NULL CHECK (version > 0),
    -- Working days for the review, by the policy of the day of the application.
    review_days  INTEGER NOT NULL CHECK (review_days > 0),
    -- Working days by which the review was extended.
    extension_days INTEGER NOT NULL DEFAULT 0 CHECK (extension_days BETWEEN 0 AND 60),
    -- The officer who has taken it on.
    assigned_to  INTEGER REFERENCES officers (id),
    -- Why a supervisor is to look at it.
    second_look  TEXT CHECK (second_look <> ''),
    decided_at   INTEGER,
    decided_by   INTEGER REFERENCES officers (id),
    -- Codes of the grounds, JSON; and the text that the applicant reads.
    grounds      TEXT CHECK (json_valid(grounds)),
    result       TEXT,
    -- An upload is never reviewed; everything else begins with review.
    CHECK ((kind = 'certificate-upload') = (state = 'uploaded')),
    -- A decision has an officer, a time and a result text; nothing else has.
    CHECK ((state IN ('approved', 'rejected')) = (decided_at IS NOT NULL)),
    CHECK ((decided_at IS NULL) = (decided_by IS NULL) AND (decided_at IS NULL) = (result IS NULL)
        AND (decided_at IS NULL) = (grounds IS NULL))
) STRICT, WITHOUT ROWID;

-- [WARNING-02]: one case under way for each applicant of a service.
CREATE UNIQUE INDEX one_open_case ON cases (applicant, service) WHERE state = 'accepted';
CREATE TRIGGER nobody_decides_an_own_case BEFORE UPDATE OF decided_by ON cases
WHEN EXISTS (SELECT 1 FROM officers WHERE id = NEW.decided_by AND own_company = NEW.applicant)
BEGIN SELECT RAISE (ABORT, 'an officer decides no case of their own company'); END;

CREATE INDEX cases_by_applicant ON cases (applicant, submitted_at);
CREATE INDEX cases_by_state ON cases (state, submitted_at);

-- What was applied for, whatever the kind: who, whom to write to, why; and the evidence: the CMS
-- message exactly as received. What only one kind of form has stands in a table of that form.
CREATE TABLE applications (
    case_id         TEXT NOT NULL REFERENCES cases (id),
    -- 1, and one more with each answer to a question.
    version         INTEGER NOT NULL CHECK (version > 0),
    received_at     INTEGER NOT NULL,
    -- Of the company or organisation, as typed.
    company_name    TEXT NOT NULL,
    contact_name    TEXT NOT NULL,
    email           TEXT NOT NULL,
    reason          TEXT NOT NULL,
    -- The name in the certificate that signed, beside the name that was typed.
    signer_name     TEXT NOT NULL,
    challenge       TEXT NOT NULL UNIQUE,
    signed_data     BLOB NOT NULL,
    -- What the acceptance of the signature was based on, JSON.
    judgement       TEXT NOT NULL CHECK (json_valid(judgement)),
    -- What the acceptance of an uploaded certificate was based on, JSON; NULL in other cases.
    certificate_judgement TEXT CHECK (json_valid(certificate_judgement)),
    PRIMARY KEY (case_id, version)
) STRICT, WITHOUT ROWID;

-- The form of the API service (112: figure 4): what it has beside every application.
CREATE TABLE api_forms (
    case_id         TEXT NOT NULL,
    version         INTEGER NOT NULL,
    host_address    TEXT NOT NULL,
    landline        TEXT,
    mobile          TEXT,
    notice_version  TEXT NOT NULL,
    notice_sha256   TEXT NOT NULL,
    rules_version   TEXT NOT NULL,
    rules_sha256    TEXT NOT NULL,
    -- 統編變更: the 統一編號 after (API停用) or before (API申請).
    other_ubn       TEXT CHECK (length(other_ubn) = 8),
    PRIMARY KEY (case_id, version),
    FOREIGN KEY (case_id, version) REFERENCES applications (case_id, version),
    CHECK (landline IS NOT NULL OR mobile IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_forms_by_address ON api_forms (host_address);

-- What an applicant was asked for (補件). The review's clock stands still meanwhile.
CREATE TABLE questions (
    id          INTEGER PRIMARY KEY,
    case_id     TEXT NOT NULL REFERENCES cases (id),
    asked_at    INTEGER NOT NULL,
    asked_by    INTEGER NOT NULL REFERENCES officers (id),
    grounds     TEXT NOT NULL CHECK (json_valid(grounds)),
    text        TEXT NOT NULL,
    -- Working days for the answer.
    answer_days INTEGER NOT NULL CHECK (answer_days > 0),
    -- Answered by the applicant, or no longer needed since the case was decided or withdrawn.
    closed_at   INTEGER,
    -- The application that answers it.
    version     INTEGER,
    CHECK (closed_at IS NOT NULL OR version IS NULL)
) STRICT;

CREATE UNIQUE INDEX one_open_question ON questions (case_id) WHERE closed_at IS NULL;
CREATE INDEX questions_by_case ON questions (case_id, id);

CREATE TRIGGER a_case_that_ends_has_no_open_question AFTER UPDATE OF state ON cases
WHEN NEW.state <> 'accepted' AND OLD.state = 'accepted'
    AND EXISTS (SELECT 1 FROM questions WHERE case_id = NEW.id AND closed_at IS NULL)
BEGIN SELECT RAISE (ABORT, 'a question is open'); END;

-- Notes of officers for officers.
CREATE TABLE notes (
    id         INTEGER PRIMARY KEY,
    case_id    TEXT NOT NULL REFERENCES cases (id),
    written_at INTEGER NOT NULL,
    written_by INTEGER NOT NULL REFERENCES officers (id),
    text       TEXT NOT NULL CHECK (text <> '')
) STRICT;

CREATE INDEX notes_by_case ON notes (case_id, id);

-- Letters (e-mail), written with what they are about, sent by `chayan relay`.
CREATE TABLE letters (
    id          INTEGER PRIMARY KEY,
    applicant   TEXT NOT NULL,
    case_id     TEXT REFERENCES cases (id),
    kind        TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    written_at  INTEGER NOT NULL,
    state       TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'failed')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    -- When it is tried next; a relay that takes it on sets this ahead, so that no other does.
    next_at     INTEGER NOT NULL,
    -- The server's last word.
    answer      TEXT,
    sent_at     INTEGER,
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
) STRICT;

CREATE INDEX letters_by_case ON letters (case_id, id);
CREATE INDEX letters_to_send ON letters (next_at) WHERE state = 'queued';

-- What anybody did here, in the order in which it was done. An entry stands in the same
-- transaction as the act, or the act does not happen.
CREATE TABLE audit_log (
    -- From 0, without a gap.
    place   INTEGER PRIMARY KEY CHECK (place >= 0),
    -- {"previous": leaf of the entry before, in hexadecimal, "at", "actor", "act", "case",
    -- "company", "details"}, as it was hashed.
    entry   TEXT NOT NULL CHECK (json_valid(entry)),
    -- Leaf hash of the entry (RFC 6962, section 2.1).
    leaf    BLOB NOT NULL CHECK (length(leaf) = 32),
    case_id TEXT GENERATED ALWAYS AS (entry ->> '$.case') VIRTUAL,
    company TEXT GENERATED ALWAYS AS (entry ->> '$.company') VIRTUAL,
    act     TEXT GENERATED ALWAYS AS (entry ->> '$.act') VIRTUAL
) STRICT;

CREATE INDEX audit_log_by_case ON audit_log (case_id, place);
CREATE INDEX audit_log_by_company ON audit_log (company, place);

CREATE TRIGGER audit_log_has_no_gap BEFORE INSERT ON audit_log
WHEN NEW.place <> (SELECT coalesce(max(place) + 1, 0) FROM audit_log)
    OR NEW.entry ->> '$.previous' IS NOT (SELECT lower(hex(leaf)) FROM audit_log WHERE place = NEW.place - 1)
BEGIN SELECT RAISE (ABORT, 'an entry of audit_log follows the last one'); END;

CREATE TRIGGER audit_log_is_never_changed BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE (ABORT, 'audit_log is append-only'); END;

CREATE TRIGGER audit_log_is_never_deleted BEFORE DELETE ON audit_log
BEGIN SELECT RAISE (ABORT, 'audit_log is append-only'); END;

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
    -- Since when, and why, in words that the company reads.
    status_since   INTEGER NOT NULL,
    status_reason  TEXT NOT NULL DEFAULT '',
    -- When an improvement plan (改善做法) was accepted after suspension or revocation.
    plan_accepted_at INTEGER,
    ap_id          TEXT NOT NULL UNIQUE REFERENCES ap_ids (ap_id),
    -- Keyed digest, for looking up a token's issuer; and the key itself, sealed.
    iss_key_digest BLOB UNIQUE CHECK (length(iss_key_digest) = 16),
    iss_key_sealed BLOB,
    -- The isskey before it, which is taken until then as well.
    former_iss_key_digest BLOB UNIQUE CHECK (length(former_iss_key_digest) = 16),
    former_iss_key_until  INTEGER,
    approved_at    INTEGER NOT NULL,
    -- Verification calls that it may make, and how many of them at once.
    calls_per_minute INTEGER NOT NULL DEFAULT 600 CHECK (calls_per_minute BETWEEN 1 AND 60000000),
    burst          INTEGER NOT NULL DEFAULT 120 CHECK (burst BETWEEN 1 AND 1000000),
    -- Whether a match is answered by 9 or A instead of 1 (統號變更紀錄).
    change_codes   INTEGER NOT NULL DEFAULT 0 CHECK (change_codes IN (0, 1)),
    -- Whether its calls are answered from the published test data, never from the register.
    sandbox        INTEGER NOT NULL DEFAULT 0 CHECK (sandbox IN (0, 1)),
    CHECK (landline IS NOT NULL OR mobile IS NOT NULL),
    CHECK ((iss_key_digest IS NULL) = (iss_key_sealed IS NULL)),
    CHECK ((former_iss_key_digest IS NULL) = (former_iss_key_until IS NULL))
) STRICT, WITHOUT ROWID;

-- What needs two officers: one proposes, a supervisor who is not the same endorses.
CREATE TABLE proposals (
    id          INTEGER PRIMARY KEY,
    act         TEXT NOT NULL CHECK (act IN ('revoke', 'accept-plan', 'set-policy')),
    ubn         TEXT REFERENCES accounts (ubn),
    -- The case of the improvement plan.
    case_id     TEXT REFERENCES cases (id),
    -- A value of a policy, and the day (YYYY-MM-DD) from which it holds.
    policy      TEXT CHECK (policy IN ('review-days', 'answer-days', 'conduct-score', 'idle-days')),
    value       INTEGER CHECK (value BETWEEN 1 AND 60),
    valid_from  TEXT CHECK (valid_from GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    reason      TEXT NOT NULL CHECK (reason <> ''),
    proposed_by INTEGER NOT NULL REFERENCES officers (id),
    proposed_at INTEGER NOT NULL,
    decided_by  INTEGER REFERENCES officers (id),
    decided_at  INTEGER,
    endorsed    INTEGER CHECK (endorsed IN (0, 1)),
    CHECK (decided_by <> proposed_by),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (endorsed IS NULL)),
    CHECK ((act = 'accept-plan') = (case_id IS NOT NULL)),
    CHECK ((act = 'set-policy') = (policy IS NOT NULL) AND (act = 'set-policy') = (value IS NOT NULL)
        AND (act = 'set-policy') = (valid_from IS NOT NULL) AND (act = 'set-policy') = (ubn IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_open_proposal ON proposals (ubn, act) WHERE decided_at IS NULL;

CREATE UNIQUE INDEX one_open_policy_proposal ON proposals (policy) WHERE decided_at IS NULL;

-- Values of policies, each from a day on: the last one that has begun holds. Without one the
-- edition's own does.
CREATE TABLE policies (
    policy      TEXT NOT NULL,
    valid_from  TEXT NOT NULL,
    value       INTEGER NOT NULL,
    proposal_id INTEGER NOT NULL REFERENCES proposals (id),
    PRIMARY KEY (policy, valid_from)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER two_officers_set_a_policy BEFORE INSERT ON policies
WHEN NOT EXISTS (SELECT 1 FROM proposals WHERE id = NEW.proposal_id AND act = 'set-policy' AND endorsed = 1
    AND policy = NEW.policy AND value = NEW.value AND valid_from = NEW.valid_from)
BEGIN SELECT RAISE (ABORT, 'two officers set a policy'); END;

CREATE TRIGGER a_policy_is_not_changed_behind_two_officers BEFORE UPDATE ON policies
BEGIN SELECT RAISE (ABORT, 'a policy is replaced by a later one'); END;

CREATE TRIGGER two_officers_revoke BEFORE UPDATE OF status ON accounts
WHEN NEW.status = 'revoked' AND OLD.status <> 'revoked' AND NOT EXISTS
    (SELECT 1 FROM proposals WHERE ubn = NEW.ubn AND act = 'revoke' AND endorsed = 1
        AND decided_at = NEW.status_since)
BEGIN SELECT RAISE (ABORT, 'two officers revoke'); END;

CREATE TRIGGER two_officers_accept_a_plan BEFORE UPDATE OF plan_accepted_at ON accounts
WHEN NEW.plan_accepted_at IS NOT NULL AND OLD.plan_accepted_at IS NOT NEW.plan_accepted_at AND NOT EXISTS
    (SELECT 1 FROM proposals WHERE ubn = NEW.ubn AND act = 'accept-plan' AND endorsed = 1
        AND decided_at = NEW.plan_accepted_at)
BEGIN SELECT RAISE (ABORT, 'two officers accept an improvement plan'); END;

CREATE TRIGGER nobody_decides_a_proposal_on_an_own_company BEFORE UPDATE OF decided_by ON proposals
WHEN EXISTS (SELECT 1 FROM officers WHERE id = NEW.decided_by AND own_company = NEW.ubn)
BEGIN SELECT RAISE (ABORT, 'an officer decides nothing of their own company'); END;

-- Accounts without a call for more than a year: warned, put before officers when the warning is
-- over, ended by a call (rule 10).
CREATE TABLE idle_warnings (
    id           INTEGER PRIMARY KEY,
    ubn          TEXT NOT NULL REFERENCES accounts (ubn),
    -- The last use before it.
    unused_since INTEGER NOT NULL,
    warned_at    INTEGER NOT NULL CHECK (warned_at > unused_since),
    -- The last day (YYYY-MM-DD) on which a call still counts by itself.
    until        TEXT NOT NULL CHECK (until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    -- When it was put before officers.
    submitted_at INTEGER,
    -- The proposal that was made of it.
    proposal_id  INTEGER REFERENCES proposals (id),
    closed_at    INTEGER,
    outcome      TEXT CHECK (outcome IN ('used', 'closed', 'revoked', 'kept')),
    CHECK ((closed_at IS NULL) = (outcome IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_open_idle_warning ON idle_warnings (ubn) WHERE closed_at IS NULL;
CREATE INDEX idle_warnings_by_proposal ON idle_warnings (proposal_id);

-- 統編變更: an account that goes on under another 統一編號 (rule 8). The API停用 that names it is
-- approved; the account ends when the new one's first certificate is there.
CREATE TABLE handovers (
    stop_case TEXT PRIMARY KEY REFERENCES cases (id),
    former    TEXT NOT NULL REFERENCES accounts (ubn),
    successor TEXT NOT NULL CHECK (length(successor) = 8 AND successor <> former),
    agreed_at INTEGER NOT NULL,
    ended_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_open_handover_from ON handovers (former) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX one_open_handover_to ON handovers (successor) WHERE ended_at IS NULL;

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
    -- Since when its CA's lists are known to name it, on hold or revoked; NULL while they do not.
    revoked_at    INTEGER,
    CHECK (not_after > not_before)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_certificate_in_use ON certificates (ubn) WHERE replaced_at IS NULL;
CREATE INDEX certificates_by_company ON certificates (ubn, replaced_at);

-- The company register (商工登記) as of one day: the whole of it is replaced at an import.
CREATE TABLE companies (
    ubn      TEXT PRIMARY KEY CHECK (length(ubn) = 8),
    name     TEXT NOT NULL,
    -- 公司狀況 as published: 核准設立, 解散 ...
    status   TEXT NOT NULL,
    -- 所營事業, one line each.
    business TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE company_snapshot (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    -- YYYY-MM-DD
    as_of       TEXT NOT NULL,
    imported_at INTEGER NOT NULL
) STRICT;

-- The office calendar: days that are not as their day of the week says.
CREATE TABLE calendar_days (
    -- YYYY-MM-DD
    day     TEXT PRIMARY KEY CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    working INTEGER NOT NULL CHECK (working IN (0, 1)),
    note    TEXT NOT NULL,
    -- Said by an administrator of this one day: a calendar that is imported later keeps it.
    by_hand INTEGER NOT NULL CHECK (by_hand IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Outages of the verification call that were announced.
CREATE TABLE outages (
    id        INTEGER PRIMARY KEY,
    begins_at INTEGER NOT NULL,
    ends_at   INTEGER NOT NULL CHECK (ends_at > begins_at),
    note      TEXT NOT NULL CHECK (note <> '')
) STRICT;

CREATE INDEX outages_by_end ON outages (ends_at);

-- Abnormal use (異常使用) that was seen: what stood out, and what officers made of it.
CREATE TABLE findings (
    id        INTEGER PRIMARY KEY,
    ubn       TEXT NOT NULL REFERENCES accounts (ubn),
    found_at  INTEGER NOT NULL,
    score     INTEGER NOT NULL CHECK (score > 0),
    -- [{"sign", "points", "message"}]
    signs     TEXT NOT NULL CHECK (json_valid(signs)),
    -- Whether the account was suspended by it.
    suspended INTEGER NOT NULL CHECK (suspended IN (0, 1)),
    closed_at INTEGER,
    closed_by INTEGER REFERENCES officers (id),
    note      TEXT CHECK (note <> ''),
    CHECK ((closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (note IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_open_finding ON findings (ubn) WHERE closed_at IS NULL;

CREATE TRIGGER nobody_closes_a_finding_on_an_own_company BEFORE UPDATE OF closed_by ON findings
WHEN EXISTS (SELECT 1 FROM officers WHERE id = NEW.closed_by AND own_company = NEW.ubn)
BEGIN SELECT RAISE (ABORT, 'an officer decides nothing of their own company'); END;
