-- Schema 2.

-- What is not over, without the status: a start does not touch this index.
DROP INDEX runs_open;
CREATE INDEX runs_open ON runs (job) WHERE finished_at IS NULL;

-- Fire times whose runs retention has deleted, as stretches in which each fire time had its run: none of them is
-- claimed again after the clock was set back. A closed one does not grow: after it came fire times without a run.
CREATE TABLE pruned (
    job TEXT NOT NULL,
    first_fire_time INTEGER NOT NULL,
    fire_time INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, first_fire_time)
) STRICT, WITHOUT ROWID;

-- The pool of which a run takes a worker: it counts there also once its job has left the set.
ALTER TABLE runs ADD COLUMN pool TEXT;
