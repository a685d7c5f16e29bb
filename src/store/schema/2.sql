-- Schema 2.

-- What is not over, without the status: a start does not touch this index.
DROP INDEX runs_open;
CREATE INDEX runs_open ON runs (job) WHERE finished_at IS NULL;
