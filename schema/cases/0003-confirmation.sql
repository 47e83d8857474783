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
