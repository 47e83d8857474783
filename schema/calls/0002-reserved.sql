-- A call is kept before anything is compared and gets its outcome afterwards; a person's third
-- wrong answer of a day is found by person; calls in test mode are told apart.

ALTER TABLE calls RENAME TO former_calls;

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

-- Nobody was looked up, and still there is an answer: test mode. Code 8 and the others look alike.
INSERT INTO calls SELECT account, number, at, outcome, request, jti, token, person, user_id, took,
        due, person IS NULL AND outcome IN ('1', '2', '3', '4', '5', '6', '7', '9', 'A')
    FROM former_calls;

DROP TABLE former_calls;

CREATE UNIQUE INDEX one_call_for_each_jti ON calls (jti) WHERE jti IS NOT NULL;

-- Whoever is locked on a day has one of these.
CREATE INDEX locked_persons ON calls (person, at) WHERE outcome IN ('4', '5');

ALTER TABLE tallies RENAME TO former_tallies;

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

INSERT INTO tallies (account, day, outcome, sandbox, calls)
    SELECT account, (at / 1000000 + 28800) / 86400, outcome, 1, count(*)
        FROM calls JOIN tended USING (account)
        WHERE sandbox = 1 AND number <= tallied GROUP BY 1, 2, 3;
INSERT INTO tallies (account, day, outcome, sandbox, calls)
    SELECT account, day, outcome, 0, real FROM (SELECT account, day, outcome, calls - coalesce(
            (SELECT calls FROM tallies WHERE tallies.account = former_tallies.account
                AND tallies.day = former_tallies.day
                AND tallies.outcome = former_tallies.outcome AND sandbox = 1), 0) AS real
        FROM former_tallies) WHERE real > 0;

DROP TABLE former_tallies;

ALTER TABLE totals RENAME TO former_totals;

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

INSERT INTO totals (outcome, sandbox, upper, calls, micros)
    SELECT outcome, 1, (SELECT min(upper) FROM former_totals
            WHERE former_totals.outcome = calls.outcome AND upper >= took), count(*), sum(took)
        FROM calls JOIN tended USING (account)
        WHERE sandbox = 1 AND number <= tallied GROUP BY 1, 3;
INSERT INTO totals (outcome, sandbox, upper, calls, micros)
    SELECT outcome, 0, upper, real, micros FROM (SELECT outcome, upper,
            calls - coalesce((SELECT calls FROM totals WHERE totals.outcome = former_totals.outcome
                AND totals.upper = former_totals.upper AND sandbox = 1), 0) AS real,
            micros - coalesce((SELECT micros FROM totals WHERE totals.outcome = former_totals.outcome
                AND totals.upper = former_totals.upper AND sandbox = 1), 0) AS micros
        FROM former_totals) WHERE real > 0;

DROP TABLE former_totals;

-- A test number was answered so; nothing else ever was.
UPDATE refusals SET reason = 'test-unavailable' WHERE reason = 'unavailable';
