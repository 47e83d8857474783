-- The whole schema, for reading. Generated from the steps: `cargo test -p store` compares them.

-- The call record (requirements A18, A19): one row for each call, kept and paid before anything is
-- compared. A file of its own, synchronous=NORMAL: it survives a kill and may lose its last
-- moments at power loss. No national ID can be read here.
CREATE TABLE calls (
    -- apId: never used twice.
    account TEXT NOT NULL CHECK (length(account) = 5),
    -- From 1 for each account, without a gap, whatever the clock does.
    number  INTEGER NOT NULL,
    -- Microseconds since 1970-01-01 UTC, as all instants here.
    at      INTEGER NOT NULL,
    -- checkIdCardApply, or rdCode and what it is about. NULL until it is known: whoever asked has
    -- no answer; the same token goes on with it. When no token can any more, its process died, and
    -- it counts for nothing but the limit.
    outcome TEXT CHECK (outcome <> ''),
    -- x-request-id of the answer.
    request BLOB NOT NULL CHECK (length(request) = 16),
    -- Digest of the token's own number, until the token can no longer be used.
    jti     BLOB CHECK (length(jti) = 16),
    -- First half of the SHA-256 of the token.
    token   BLOB NOT NULL CHECK (length(token) = 16),
    -- Keyed digest of the national ID; NULL when nobody was looked up.
    person  BLOB CHECK (length(person) = 16),
    -- userId, the caller's own word.
    user_id TEXT NOT NULL,
    -- How long the answer took, in microseconds.
    took    INTEGER NOT NULL,
    -- When the account's calls so far are paid off at its rate (GCRA's theoretical arrival time).
    due     INTEGER NOT NULL,
    -- Whether the account was in test mode: no real call.
    sandbox INTEGER NOT NULL CHECK (sandbox IN (0, 1)),
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_call_for_each_jti ON calls (jti) WHERE jti IS NOT NULL;

-- Whoever is locked on a day has one of these.
CREATE INDEX locked_persons ON calls (person, at) WHERE outcome IN ('4', '5');

-- Requests that got no answer, counted.
CREATE TABLE refusals (
    -- Empty when it is not known.
    account TEXT NOT NULL,
    -- Days since 1970-01-01 in Taipei.
    day     INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    count   INTEGER NOT NULL CHECK (count > 0),
    last_at INTEGER NOT NULL,
    PRIMARY KEY (account, day, reason)
) STRICT, WITHOUT ROWID;

-- Calls by day and outcome; made of `calls` by `chayan tend-calls`, up to what `tended` says.
CREATE TABLE tallies (
    account TEXT NOT NULL,
    -- Days since 1970-01-01 in Taipei.
    day     INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    -- As of the calls.
    sandbox INTEGER NOT NULL CHECK (sandbox IN (0, 1)),
    calls   INTEGER NOT NULL CHECK (calls > 0),
    PRIMARY KEY (account, day, outcome, sandbox)
) STRICT, WITHOUT ROWID;

-- All calls by outcome and by how long they took, for monitors; made as `tallies`.
CREATE TABLE totals (
    outcome TEXT NOT NULL,
    -- As of the calls.
    sandbox INTEGER NOT NULL CHECK (sandbox IN (0, 1)),
    -- At most so many microseconds, one of a few bounds; the last is the largest integer.
    upper   INTEGER NOT NULL,
    calls   INTEGER NOT NULL CHECK (calls > 0),
    -- Microseconds together.
    micros  INTEGER NOT NULL,
    PRIMARY KEY (outcome, sandbox, upper)
) STRICT, WITHOUT ROWID;

CREATE TABLE tended (
    account   TEXT PRIMARY KEY,
    -- Calls up to this number are in `tallies` and `totals`.
    tallied   INTEGER NOT NULL,
    -- The jti of calls up to this number is forgotten.
    forgotten INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was decided about an account's use as `chayan judge-calls` saw it: what came before is not
-- judged again.
CREATE TABLE judged (
    account TEXT PRIMARY KEY,
    -- Seconds since 1970-01-01 UTC: it was resumed, or a finding was closed.
    decided INTEGER NOT NULL,
    -- The day in Taipei when that was seen first, and that day's requests from other addresses so far.
    day     INTEGER NOT NULL,
    foreign_requests INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
