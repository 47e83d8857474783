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
