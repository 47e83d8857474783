-- The record of the identity confirmation service: who asked about whom, when, what for. No
-- national ID can be read here. Instants are microseconds since 1970-01-01 UTC.

CREATE TABLE requests (
    service INTEGER NOT NULL,
    -- From 1 for each service, without a gap.
    number  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    nonce   TEXT NOT NULL,
    -- SHA-256 of what was signed: the same request gets its answer again.
    sha256  BLOB NOT NULL CHECK (length(sha256) = 32),
    purpose TEXT NOT NULL,
    -- The answers in the order of the pairs, JSON.
    answers TEXT NOT NULL CHECK (json_valid(answers)),
    -- When the service's requests so far are paid off at its rate.
    due     INTEGER NOT NULL,
    PRIMARY KEY (service, number)
) STRICT, WITHOUT ROWID;

-- A nonce is used once.
CREATE UNIQUE INDEX one_request_for_each_nonce ON requests (service, nonce);

-- Of a request, the pairs that could be read; in the order in which a citizen looks for them.
CREATE TABLE confirmed (
    person  BLOB NOT NULL CHECK (length(person) = 16),
    at      INTEGER NOT NULL,
    service INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    answer  INTEGER NOT NULL CHECK (answer IN (0, 1, 2, 999)),
    PRIMARY KEY (person, at, service, number, place)
) STRICT, WITHOUT ROWID;

-- Wrong national IDs that a citizen typed, by the day in Taipei.
CREATE TABLE wrong_ids (
    -- The serial number in the subject of the card that signed in.
    subject_serial TEXT NOT NULL,
    -- Days since 1970-01-01 in Taipei.
    day            INTEGER NOT NULL,
    count          INTEGER NOT NULL CHECK (count BETWEEN 1 AND 3),
    PRIMARY KEY (subject_serial, day)
) STRICT, WITHOUT ROWID;
