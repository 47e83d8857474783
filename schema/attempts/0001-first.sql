-- Wrong answers for each national ID on each Taipei day (requirement A19). A file of its
-- own: its writes would empty the page caches of the large register.

CREATE TABLE wrong_answers (
    person BLOB NOT NULL CHECK (length(person) = 16),
    -- Days since 1970-01-01 in Taipei.
    day    INTEGER NOT NULL,
    wrong  INTEGER NOT NULL CHECK (wrong BETWEEN 1 AND 3),
    -- First half of the SHA-256 of the token of each: one that comes again is not counted again.
    first  BLOB NOT NULL CHECK (length(first) = 16),
    second BLOB CHECK (length(second) = 16),
    third  BLOB CHECK (length(third) = 16),
    CHECK ((wrong >= 2) = (second IS NOT NULL) AND (wrong = 3) = (third IS NOT NULL)),
    PRIMARY KEY (person, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX wrong_answers_by_day ON wrong_answers (day);
