-- Schema 1. Instants are integers: microseconds since 1970-01-01T00:00:00Z. Words are those of the JSON output.

-- The ledger: one row for each run, and one for each stretch of fire times that led to none.
-- A row is final exactly when it has finished_at. A row for a stretch has its last fire time in fire_time and
-- the first in first_fire_time, and stands for those between them that have no row of their own. A row with
-- ending_at and no finished_at is being brought to its end, and reason and detail say why.
-- AUTOINCREMENT: a number is never given out twice.
CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    fire_time INTEGER,
    first_fire_time INTEGER,
    occurrences INTEGER NOT NULL DEFAULT 1,
    status TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    source TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    queued_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    retry_at INTEGER,
    duration_us INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    pid INTEGER,
    start_ticks INTEGER,
    boot_id TEXT,
    host TEXT NOT NULL,
    coalesced INTEGER NOT NULL DEFAULT 0,
    note TEXT,
    priority INTEGER NOT NULL DEFAULT 0,
    args TEXT,
    forced INTEGER NOT NULL DEFAULT 0,
    ending_at INTEGER,
    cpu_user_us INTEGER,
    cpu_system_us INTEGER,
    peak_memory INTEGER,
    result TEXT,
    UNIQUE (job, fire_time)
) STRICT;

-- Newest first by job.
CREATE INDEX runs_job ON runs (job);
-- By outcome, with and without a job, newest first.
CREATE INDEX runs_job_outcome ON runs (job, status, queued_at) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_outcome ON runs (status, queued_at) WHERE finished_at IS NOT NULL;
-- What is not over: a handful of rows.
CREATE INDEX runs_open ON runs (status, job) WHERE finished_at IS NULL;
-- Rows that stand for a stretch of fire times, to find the one that covers an instant.
CREATE INDEX runs_ranges ON runs (job, fire_time, first_fire_time) WHERE first_fire_time IS NOT NULL;
-- Fire times without a run, to find those in the future after the clock was set back.
CREATE INDEX runs_gaps ON runs (fire_time) WHERE status IN ('missed', 'skipped');

CREATE TABLE steps (
    run_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER,
    duration_us INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    output_offset INTEGER,
    detail TEXT,
    PRIMARY KEY (run_id, attempt, position)
) STRICT, WITHOUT ROWID;

-- How many fire times and requests of a job have come to each final status; never cut by retention.
CREATE TABLE counts (
    job TEXT NOT NULL,
    status TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (job, status)
) STRICT, WITHOUT ROWID;

-- What is remembered of a job from one start of the daemon to the next. Rows after tracked_after are about the
-- trigger and the origin of intervals that the job has now; others may be about earlier ones.
CREATE TABLE jobs (
    name TEXT PRIMARY KEY,
    cursor INTEGER,
    anchor INTEGER,
    trigger_spec TEXT,
    tracked_after INTEGER NOT NULL DEFAULT 0,
    paused_at INTEGER,
    paused_until INTEGER,
    pause_reason TEXT,
    satisfied TEXT,
    startup_boot TEXT,
    last_success INTEGER,
    well INTEGER,
    overdue_since INTEGER
) STRICT, WITHOUT ROWID;

-- Jobs that were added by command, as TOML fragments.
CREATE TABLE definitions (
    job TEXT PRIMARY KEY,
    toml TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    job TEXT,
    run_id INTEGER,
    attempt INTEGER,
    fire_time INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    reason TEXT,
    detail TEXT
) STRICT;

-- Who did what to which definition; uid and pid are NULL where the job file did it.
CREATE TABLE revisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    job TEXT NOT NULL,
    before TEXT,
    after TEXT,
    uid INTEGER,
    pid INTEGER
) STRICT;
CREATE INDEX revisions_job ON revisions (job);

-- Notices not yet delivered.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    notifier TEXT NOT NULL,
    job TEXT NOT NULL,
    run_id INTEGER,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_next ON outbox (next_at);

-- Keys: hold (at, value = the reason), heartbeat (at), restored (at, value = boot id), session (value = host, boot id and pid as JSON).
CREATE TABLE daemon (
    key TEXT PRIMARY KEY,
    at INTEGER,
    value TEXT
) STRICT, WITHOUT ROWID;

-- The ledger with instants as text, for people with sqlite3.
CREATE VIEW ledger AS
SELECT
    run_id, job, status, reason, detail, source, attempt, attempts,
    strftime('%Y-%m-%dT%H:%M:%fZ', fire_time / 1e6, 'unixepoch') AS fire_time,
    strftime('%Y-%m-%dT%H:%M:%fZ', first_fire_time / 1e6, 'unixepoch') AS first_fire_time,
    occurrences, coalesced, note,
    strftime('%Y-%m-%dT%H:%M:%fZ', queued_at / 1e6, 'unixepoch') AS queued_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1e6, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', finished_at / 1e6, 'unixepoch') AS finished_at,
    duration_us / 1e6 AS seconds,
    exit_code, signal, pid, host, priority, args, result
FROM runs;
