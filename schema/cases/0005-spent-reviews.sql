-- When a registration did what officers had agreed to about it: their word is spent then, and says
-- nothing of another change of the same organisation later.
ALTER TABLE registration_forms ADD COLUMN spent_at INTEGER;
