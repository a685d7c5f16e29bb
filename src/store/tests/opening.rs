//! What a state directory may hold, and what becomes of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rusqlite::Connection;

use super::{at, claim, open, session, whole};
use crate::core::run::RunStatus;
use crate::store::{DATABASE_FILE, Damage, OpenError, Reader, Store, schema};

/// Every file of a directory but the lock, which belongs to nobody's data, with its content.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let files = files.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    files
        .filter(|(file, _)| file != "jobctl.lock" && !file.ends_with("-shm"))
        .map(|(file, path)| (file, fs::read(path).unwrap()))
        .collect()
}

/// A state directory with a little history, whose daemon stopped cleanly.
fn used() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for run in 1..=50 {
        store.commit(&whole(run, "a", i64::try_from(run).unwrap() * 60, RunStatus::Succeeded)).unwrap();
    }
    dir
}

#[test]
fn a_new_store_is_private_synced_and_marked() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep/state");
    let store = open(&state);
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    for file in [DATABASE_FILE, "jobctl.db-wal", "jobctl.lock"] {
        assert_eq!(fs::metadata(state.join(file)).unwrap().mode() & 0o777, 0o600, "{file}");
    }
    let conn = &store.reader.conn;
    let number = |pragma: &str| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(number("synchronous"), 2);
    assert_eq!(number("application_id"), i64::from(schema::APPLICATION_ID));
    assert_eq!(number("user_version"), schema::version_of(schema::STEPS));
    assert!(!state.join("jobctl.db.new").exists());
}

#[test]
fn p8_a_newer_store_is_refused_and_untouched() {
    let dir = used();
    let path = dir.path().join(DATABASE_FILE);
    let newer = schema::version_of(schema::STEPS) + 1;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    let before = contents(dir.path());
    let error = Store::open(dir.path(), session()).unwrap_err();
    assert!(matches!(&error, OpenError::Newer { found, .. } if *found == newer), "{error}");
    assert!(!error.to_string().contains('\n'));
    assert!(matches!(Reader::open(dir.path()), Err(OpenError::Newer { .. })));
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn p8_a_newer_store_with_a_log_is_untouched_too() {
    let dir = used();
    let newer = schema::version_of(schema::STEPS) + 1;
    let conn = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    conn.pragma_update(None, "user_version", newer).unwrap();
    let copy = tempfile::tempdir().unwrap();
    for (file, bytes) in contents(dir.path()) {
        fs::write(copy.path().join(file), bytes).unwrap();
    }
    let before = contents(copy.path());
    assert!(before.contains_key("jobctl.db-wal"), "the change is in the log only");
    assert!(matches!(Store::open(copy.path(), session()), Err(OpenError::Newer { .. })));
    assert_eq!(contents(copy.path()), before);
}

#[test]
fn p8_an_older_store_is_upgraded_in_one_transaction() {
    let dir = used();
    let good = [schema::STEPS, &["ALTER TABLE jobs ADD COLUMN a TEXT", "CREATE TABLE b (c TEXT)"]].concat();
    let bad = [&good[..], &["CREATE TABLE d (e TEXT); INSERT INTO nothing VALUES (1)"]].concat();

    let before = contents(dir.path());
    assert!(matches!(Store::open_with(dir.path(), session(), &bad), Err(OpenError::Sqlite { .. })));
    assert_eq!(contents(dir.path()), before, "a failed upgrade leaves nothing behind");

    let store = Store::open_with(dir.path(), session(), &good).unwrap();
    assert_eq!(schema::version(&store.reader.conn).unwrap(), schema::version_of(&good));
    assert!(store.reader.conn.prepare("SELECT c FROM b").is_ok());
    assert_eq!(store.reader.history(&crate::store::HistoryFilter::default()).unwrap().len(), 50);
    drop(store);
    assert!(matches!(Store::open(dir.path(), session()), Err(OpenError::Newer { .. })));
}

#[test]
fn p8_a_store_of_each_earlier_schema_keeps_its_rows() {
    let fresh = used();
    let layout = |store: &Store| -> Vec<(String, Option<String>)> {
        let mut all = store.reader.conn.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
        all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let filter = crate::store::HistoryFilter::default();
    let newest = Store::open(fresh.path(), session()).unwrap();
    for earlier in 1..schema::STEPS.len() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open_with(dir.path(), session(), &schema::STEPS[..earlier]).unwrap());
        let conn = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
        conn.execute("ATTACH ?1 AS newest", [fresh.path().join(DATABASE_FILE).to_str()]).unwrap();
        let columns: Vec<String> = {
            let mut info = conn.prepare("SELECT name FROM pragma_table_info('runs')").unwrap();
            info.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        let columns = columns.join(", ");
        conn.execute(&format!("INSERT INTO main.runs ({columns}) SELECT {columns} FROM newest.runs"), [])
            .unwrap();
        drop(conn);

        let upgraded = Store::open(dir.path(), session()).unwrap();
        assert_eq!(schema::version(&upgraded.reader.conn).unwrap(), schema::version_of(schema::STEPS));
        assert_eq!(layout(&upgraded), layout(&newest), "from schema {earlier}");
        let (rows, all) =
            (upgraded.reader.history(&filter).unwrap(), newest.reader.history(&filter).unwrap());
        assert_eq!(rows, all, "from schema {earlier}");
    }
}

#[test]
fn p8_a_reader_leaves_an_older_store_to_the_daemon() {
    let dir = used();
    let steps = [schema::STEPS, &["CREATE TABLE later (a TEXT)"]].concat();
    let before = contents(dir.path());
    let error = Reader::open_with(dir.path(), &steps).unwrap_err();
    assert!(matches!(error, OpenError::Older { .. }), "{error:?}");
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn p9_a_second_daemon_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let second = Store::open(dir.path(), session()).unwrap_err();
    assert!(matches!(second, OpenError::Locked { pid: 4711 }), "{second}");
    drop(first);
    assert!(Store::open(dir.path(), session()).is_ok());
}

#[test]
fn s3_a_damaged_store_is_refused_and_kept_as_evidence() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [(&str, Harm); 5] = [
        ("emptied", |bytes| bytes.clear()),
        ("cut in a page", |bytes| bytes.truncate(5000)),
        ("cut between pages", |bytes| bytes.truncate(3 * 4096)),
        ("overwritten", |bytes| bytes.fill(b'x')),
        ("a page lost", |bytes| bytes.iter_mut().skip(4096).take(4096).for_each(|byte| *byte = 0xff)),
    ];
    for (what, harm) in harms {
        let dir = used();
        let path = dir.path().join(DATABASE_FILE);
        let mut bytes = fs::read(&path).unwrap();
        assert!(bytes.len() > 5 * 4096);
        harm(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let before = contents(dir.path());
        let error = Store::open(dir.path(), session()).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{what}: {error:?}");
        assert_eq!(contents(dir.path()), before, "{what}");
    }
}

#[test]
fn s3_a_log_without_its_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("jobctl.db-wal"), "the only trace of a ledger").unwrap();
    let error = Store::open(dir.path(), session()).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { damage: Damage::Missing, .. }), "{error:?}");
    assert!(!dir.path().join(DATABASE_FILE).exists());
}

#[test]
fn s3_a_database_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(DATABASE_FILE);
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (cake TEXT)").unwrap();
    let before = contents(dir.path());
    assert!(matches!(Store::open(dir.path(), session()), Err(OpenError::Foreign { .. })));
    assert!(matches!(Reader::open(dir.path()), Err(OpenError::Foreign { .. })));
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn a_draft_left_by_a_crash_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("jobctl.db.new"), "half").unwrap();
    let mut store = open(dir.path());
    super::apply(&mut store, &[claim(1, "a", 60)]);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("state"), session()).unwrap_err();
    assert!(matches!(&error, OpenError::Io { path, .. } if path.starts_with(&file)), "{error:?}");
}

#[test]
fn a_reader_needs_no_daemon_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Reader::open(dir.path()).unwrap().is_none());
    assert!(Reader::open(&dir.path().join("nowhere")).unwrap().is_none());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let dir = used();
    let listing = || {
        let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        files.sort();
        files
    };
    let (files, before) = (listing(), contents(dir.path()));
    assert_eq!(files, ["jobctl.db", "jobctl.lock"], "a clean stop leaves one file and the lock");
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    assert_eq!(reader.history(&crate::store::HistoryFilter::default()).unwrap().len(), 50);
    assert!(reader.conn.execute_batch("DELETE FROM runs").is_err());
    drop(reader);
    assert_eq!((listing(), contents(dir.path())), (files, before));
}

#[test]
fn a_reader_finds_its_way_in_a_directory_with_an_odd_name() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("50% of?all#it ä");
    let mut store = open(&state);
    super::apply(&mut store, &[claim(1, "a", 60)]);
    drop(store);
    assert_eq!(Reader::open(&state).unwrap().unwrap().unfinished().unwrap().len(), 1);
}

#[test]
fn a_reader_sees_what_a_running_daemon_commits() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    super::apply(&mut store, &[claim(1, "a", 60)]);
    assert_eq!(reader.latest_run(&super::name("a")).unwrap().unwrap().fire_time, Some(at(60)));
}

#[test]
fn p1_what_was_committed_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    super::apply(&mut store, &[claim(1, "a", 60)]);
    // What a killed daemon leaves behind is what is on disk while it lives.
    let copy = tempfile::tempdir().unwrap();
    for (file, bytes) in contents(dir.path()) {
        fs::write(copy.path().join(file), bytes).unwrap();
    }
    drop(store);
    assert_eq!(Reader::open(copy.path()).unwrap().unwrap().unfinished().unwrap().len(), 1);
    assert_eq!(open(copy.path()).load().unwrap().unfinished.len(), 1);
}

#[test]
fn a_backup_is_a_store_and_overwrites_nothing() {
    let dir = used();
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    let safe = tempfile::tempdir().unwrap();
    let copy = safe.path().join(DATABASE_FILE);
    reader.backup(&copy).unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(safe.path()).unwrap().count(), 1);
    let before = fs::read(&copy).unwrap();
    assert!(reader.backup(&copy).is_err());
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert_eq!(open(safe.path()).load().unwrap().next_run, 51);
}
