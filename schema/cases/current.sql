-- The whole schema, for reading. Generated from the steps: `cargo test -p store` compares them.

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

-- The identity confirmation service (manual 003): its form, approved services, what is demanded
-- of applicants, and stops.

-- Institutions supervised by the 金融監督管理委員會: whoever has no agency's card must be here.
CREATE TABLE institutions (
    -- 統一編號, or 'OID:' and an organisation OID.
    applicant TEXT PRIMARY KEY CHECK (length(applicant) = 8 OR applicant GLOB 'OID:[0-9]*'),
    name      TEXT NOT NULL CHECK (name <> ''),
    added_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The annex: what it has beside every application.
CREATE TABLE confirmation_forms (
    case_id       TEXT NOT NULL,
    version       INTEGER NOT NULL,
    address       TEXT NOT NULL,
    system_name   TEXT NOT NULL,
    server_serial TEXT NOT NULL CHECK (length(server_serial) >= 32),
    -- {"name", "title", "unit", "email", "phone", "fax"}
    contact       TEXT NOT NULL CHECK (json_valid(contact)),
    deputy        TEXT NOT NULL CHECK (json_valid(deputy)),
    -- 預定開放日期 or 預定停用日期, YYYY-MM-DD.
    day           TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    terms_version TEXT NOT NULL,
    terms_sha256  TEXT NOT NULL,
    -- The server certificate and its judgement, for 啟用.
    sha256        BLOB CHECK (length(sha256) = 32),
    certificate   BLOB,
    not_before    INTEGER,
    not_after     INTEGER,
    judgement     TEXT CHECK (json_valid(judgement)),
    PRIMARY KEY (case_id, version),
    FOREIGN KEY (case_id, version) REFERENCES applications (case_id, version),
    CHECK ((sha256 IS NULL) = (certificate IS NULL) AND (sha256 IS NULL) = (not_before IS NULL)
        AND (sha256 IS NULL) = (not_after IS NULL) AND (sha256 IS NULL) = (judgement IS NULL))
) STRICT, WITHOUT ROWID;

-- Approved services. Whether one is open follows from its times: nothing has to run.
CREATE TABLE confirmation_services (
    id            INTEGER PRIMARY KEY,
    -- The case that was approved.
    case_id       TEXT NOT NULL UNIQUE REFERENCES cases (id),
    applicant     TEXT NOT NULL,
    name          TEXT NOT NULL,
    system_name   TEXT NOT NULL,
    email         TEXT NOT NULL,
    server_serial TEXT NOT NULL,
    sha256        BLOB NOT NULL CHECK (length(sha256) = 32),
    certificate   BLOB NOT NULL,
    not_before    INTEGER NOT NULL,
    not_after     INTEGER NOT NULL,
    opens_on      TEXT NOT NULL CHECK (opens_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    closes_on     TEXT CHECK (closes_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    approved_at   INTEGER NOT NULL,
    stopped_at    INTEGER,
    -- The ground of point 6 or 7, and words.
    stop_ground   TEXT,
    stop_reason   TEXT,
    -- Requests that it may make, and how many of them at once.
    requests_per_minute INTEGER NOT NULL DEFAULT 60 CHECK (requests_per_minute BETWEEN 1 AND 60000),
    burst         INTEGER NOT NULL DEFAULT 20 CHECK (burst BETWEEN 1 AND 10000),
    CHECK ((stopped_at IS NULL) = (stop_ground IS NULL) AND (stopped_at IS NULL) = (stop_reason IS NULL))
) STRICT;

CREATE INDEX confirmation_services_by_certificate ON confirmation_services (sha256, id);
CREATE INDEX confirmation_services_by_applicant ON confirmation_services (applicant, id);

-- A certificate serves one applicant, and one service at a time.
CREATE TRIGGER a_server_certificate_serves_one BEFORE INSERT ON confirmation_services
WHEN EXISTS (SELECT 1 FROM confirmation_services WHERE sha256 = NEW.sha256
    AND (applicant <> NEW.applicant OR (stopped_at IS NULL AND closes_on IS NULL)))
BEGIN SELECT RAISE (ABORT, 'the server certificate is in use'); END;

-- What is demanded of an applicant by a day (points 6 (5) and 7).
CREATE TABLE confirmation_demands (
    id          INTEGER PRIMARY KEY,
    service_id  INTEGER NOT NULL REFERENCES confirmation_services (id),
    kind        TEXT NOT NULL CHECK (kind IN ('improvement', 'measures')),
    text        TEXT NOT NULL CHECK (text <> ''),
    -- The last day for it, YYYY-MM-DD.
    due_on      TEXT NOT NULL CHECK (due_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    demanded_at INTEGER NOT NULL,
    demanded_by INTEGER NOT NULL REFERENCES officers (id),
    answered_at INTEGER,
    answer      TEXT CHECK (answer <> ''),
    closed_at   INTEGER,
    closed_by   INTEGER REFERENCES officers (id),
    met         INTEGER CHECK (met IN (0, 1)),
    CHECK ((answered_at IS NULL) = (answer IS NULL)),
    CHECK ((closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (met IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_open_demand ON confirmation_demands (service_id, kind) WHERE closed_at IS NULL;
CREATE INDEX confirmation_demands_by_service ON confirmation_demands (service_id, id);

-- A stop needs two officers.
CREATE TABLE confirmation_stops (
    id          INTEGER PRIMARY KEY,
    service_id  INTEGER NOT NULL REFERENCES confirmation_services (id),
    ground      TEXT NOT NULL,
    reason      TEXT NOT NULL CHECK (reason <> ''),
    proposed_by INTEGER NOT NULL REFERENCES officers (id),
    proposed_at INTEGER NOT NULL,
    decided_by  INTEGER REFERENCES officers (id),
    decided_at  INTEGER,
    endorsed    INTEGER CHECK (endorsed IN (0, 1)),
    CHECK (decided_by <> proposed_by),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (endorsed IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_open_stop ON confirmation_stops (service_id) WHERE decided_at IS NULL;

CREATE TRIGGER two_officers_stop_a_service BEFORE UPDATE OF stopped_at ON confirmation_services
WHEN NEW.stopped_at IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM confirmation_stops WHERE service_id = NEW.id AND endorsed = 1
        AND decided_at = NEW.stopped_at AND ground = NEW.stop_ground)
BEGIN SELECT RAISE (ABORT, 'two officers stop a service'); END;

CREATE TRIGGER a_demand_goes_before_some_stops BEFORE INSERT ON confirmation_stops
WHEN NEW.ground IN ('overload', 'measures-refused') AND NOT EXISTS
    (SELECT 1 FROM confirmation_demands WHERE service_id = NEW.service_id AND met = 0
        AND kind = CASE NEW.ground WHEN 'overload' THEN 'improvement' ELSE 'measures' END)
BEGIN SELECT RAISE (ABORT, 'a demand that was not met goes before this stop'); END;

CREATE TRIGGER nobody_stops_a_service_of_their_own BEFORE UPDATE OF decided_by ON confirmation_stops
WHEN EXISTS (SELECT 1 FROM officers JOIN confirmation_services ON own_company = applicant
    WHERE officers.id = NEW.decided_by AND confirmation_services.id = NEW.service_id)
BEGIN SELECT RAISE (ABORT, 'an officer decides nothing of their own company'); END;

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
-- case has beside every application. Its first message is the organisation's. An approval is spent
-- when a registration did what it was about.
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
    citizen_judgement   TEXT CHECK (json_valid(citizen_judgement)), spent_at INTEGER,
    PRIMARY KEY (case_id, version),
    FOREIGN KEY (case_id, version) REFERENCES applications (case_id, version),
    CHECK ((manager_name IS NULL) = (manager_person IS NULL)
        AND (manager_name IS NULL) = (citizen_signed IS NULL)
        AND (manager_name IS NULL) = (citizen_judgement IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX registration_forms_by_code ON registration_forms (code);
