//! S3: the way back from a damaged or lost store.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{apply, at, claim, name, open, session, whole};
use crate::core::change::{Change, Notice, NoticeKind, Restored};
use crate::core::run::RunStatus;
use crate::store::{DATABASE_FILE, Damage, OpenError, Reader, Restoration, RestoreSite, Store};

/// A state directory whose ledger has gone on since its backup.
struct Stage {
    dir: tempfile::TempDir,
    copy: PathBuf,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.db");
    let mut store = open(dir.path());
    apply(&mut store, &whole(1, "a", 60, RunStatus::Succeeded));
    apply(&mut store, &[claim(2, "a", 120), Change::Heartbeat { at: at(120) }]);
    let kind = NoticeKind::Failed;
    let (notifier, job) = (name("n"), name("a"));
    apply(&mut store, &[Change::Notify(Notice { notifier, job, run: None, at: at(90), kind })]);
    Reader::open(dir.path()).unwrap().unwrap().backup(&copy).unwrap();
    apply(&mut store, &whole(7, "a", 180, RunStatus::Succeeded));
    let toml = "command = \"true\"\nevery = \"1h\"\n".to_owned();
    apply(&mut store, &[Change::Define { job: name("late"), toml }]);
    drop(store);
    Stage { dir, copy }
}

fn restore(dir: &Path, copy: Option<&Path>) -> Result<Restoration, OpenError> {
    let site = RestoreSite::take(dir, session())?;
    let remains = site.remains();
    site.restore(copy, &remains, 0, at(1_000))
}

#[test]
fn a_restored_store_is_the_copy_with_its_mark() {
    let stage = stage();
    let done = restore(stage.dir.path(), Some(&stage.copy)).unwrap();
    assert_eq!((done.known_until, done.unfinished, done.notices), (Some(at(120)), 1, 1));
    let loaded = open(stage.dir.path()).load().unwrap();
    assert_eq!(loaded.unfinished.len(), 1);
    assert_eq!(loaded.restored, Some(Restored { at: at(1_000), boot_id: "boot-1".to_owned() }));
    assert_eq!(loaded.heartbeat, Some(at(1_000)));
    assert_eq!(loaded.next_run, 1_001, "numbers that the lost ledger gave out stay out");
    assert!(loaded.definitions.is_empty());
    let evidence = done.evidence.unwrap();
    assert_eq!(evidence.file_name().unwrap(), "evidence-19700101T001640Z");
    assert_eq!(fs::metadata(&evidence).unwrap().mode() & 0o777, 0o700);
    assert_eq!(open(&evidence).load().unwrap().definitions.len(), 1, "the old store is whole");
}

#[test]
fn the_mark_goes_with_the_first_settlement() {
    let stage = stage();
    restore(stage.dir.path(), Some(&stage.copy)).unwrap();
    let mut store = open(stage.dir.path());
    apply(&mut store, &[Change::RestoreSettled]);
    assert_eq!(store.load().unwrap().restored, None);
}

#[test]
fn an_empty_store_tells_what_the_old_one_still_told() {
    let stage = stage();
    let site = RestoreSite::take(stage.dir.path(), session()).unwrap();
    let remains = site.remains();
    assert_eq!((remains.definitions[0].0.as_str(), remains.last_run), ("late", 7));
    site.restore(None, &remains, 1_234, at(1_000)).unwrap();
    let loaded = open(stage.dir.path()).load().unwrap();
    assert!(loaded.jobs.is_empty() && loaded.unfinished.is_empty() && loaded.restored.is_some());
    assert_eq!(loaded.next_run, 2_001);
}

#[test]
fn a_bad_copy_changes_nothing() {
    let stage = stage();
    let path = stage.dir.path().join(DATABASE_FILE);
    let before = fs::read(&path).unwrap();
    let cut = stage.dir.path().join("cut.db");
    let whole = fs::read(&stage.copy).unwrap();
    let damaged: [(&str, Vec<u8>); 4] = [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("text", b"not a database at all, but long enough to be one".repeat(9)),
        ("empty", Vec::new()),
        ("zeros", {
            let mut bytes = whole.clone();
            let end = bytes.len();
            bytes[4_096 * 2..end].fill(0);
            bytes
        }),
    ];
    for (what, bytes) in damaged {
        fs::write(&cut, bytes).unwrap();
        let error = restore(stage.dir.path(), Some(&cut)).unwrap_err();
        let is_about_it =
            matches!(&error, OpenError::Corrupt { path, .. } | OpenError::Foreign { path } if *path == cut);
        assert!(is_about_it, "{what}: {error:?}");
    }
    assert!(matches!(restore(stage.dir.path(), Some(Path::new("/no/such"))), Err(OpenError::Io { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    let evidence = |dir: &Path| {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("evidence")).count()
    };
    assert_eq!(evidence(stage.dir.path()), 0);
    restore(stage.dir.path(), Some(&stage.copy)).unwrap();
    restore(stage.dir.path(), Some(&stage.copy)).unwrap();
    assert_eq!(evidence(stage.dir.path()), 2, "of the same second, both kept");
}

#[test]
fn a_log_of_the_old_store_never_meets_the_new_one() {
    let stage = stage();
    let (db, log) = (stage.dir.path().join(DATABASE_FILE), stage.dir.path().join("jobctl.db-wal"));
    fs::write(&log, b"frames of another database").unwrap();
    fs::remove_file(&db).unwrap();
    assert!(matches!(Store::open(stage.dir.path(), session()), Err(OpenError::Corrupt { .. })));
    let done = restore(stage.dir.path(), Some(&stage.copy)).unwrap();
    assert_eq!(
        fs::read(done.evidence.unwrap().join("jobctl.db-wal")).unwrap(),
        b"frames of another database"
    );
    assert_eq!(open(stage.dir.path()).load().unwrap().unfinished.len(), 1);
}

#[test]
fn an_interrupted_restore_is_refused_until_it_is_done_again() {
    let stage = stage();
    let begun = stage.dir.path().join("jobctl.db.restored");
    fs::rename(stage.dir.path().join(DATABASE_FILE), &begun).unwrap();
    let refused = |error: OpenError| matches!(error, OpenError::Corrupt { damage: Damage::HalfRestored, .. });
    assert!(refused(Store::open(stage.dir.path(), session()).unwrap_err()));
    assert!(refused(Reader::open(stage.dir.path()).unwrap_err()));
    restore(stage.dir.path(), Some(&stage.copy)).unwrap();
    assert!(!begun.exists());
    assert!(open(stage.dir.path()).load().unwrap().restored.is_some());
}

#[test]
fn a_store_that_was_there_and_is_gone_is_not_made_anew_in_silence() {
    let stage = stage();
    fs::remove_file(stage.dir.path().join(DATABASE_FILE)).unwrap();
    let error = Store::open(stage.dir.path(), session()).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { damage: Damage::Gone, .. }), "{error}");
    assert_eq!(restore(stage.dir.path(), None).unwrap().evidence, None);
    assert!(open(stage.dir.path()).load().unwrap().restored.is_some());
}

#[test]
fn a_daemon_keeps_its_store() {
    let stage = stage();
    let _daemon = open(stage.dir.path());
    let error = restore(stage.dir.path(), Some(&stage.copy)).unwrap_err();
    assert!(matches!(error, OpenError::Locked { pid: 4711 }), "{error}");
}
