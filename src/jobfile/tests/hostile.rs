use std::path::{Path, PathBuf};

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::sample::Index;

use super::{NoPeers, Zones, name, refused, sources};
use crate::jobfile::{
    Diagnostic, JobSet, MAX_FILE_BYTES, SourceFile, Sources, fragment, load, render, write,
};

const VALID: &str = "timezone = \"Europe/Berlin\"\n[daemon]\nstop_timeout = \"5s\"\n[defaults]\n\
    env = { A = \"ä\" }\ntags = [\"x\"]\n[pools.io]\nworkers = 4\n[notify.m]\nmail = { to = \"a@b\" }\n\
    [[on]]\nonly = [\"run.*\"]\ncommand = \"x\"\n[hooks]\nbefore = [\"a\", [\"b\"]]\n\
    [jobs.a]\ncommand = ['/bin/true']\nevery = \"1h\"\npool = \"io\"\nnotify = [{ name = \"m\", when = \"always\" }]\n\
    retry_on = [1, \"timeout\"]\nkeep = { runs = 3 }\n[jobs.a.limits]\nmemory = \"1G\"\n\
    [jobs.b]\nsteps = [\"\"\"x\"\"\", { name = \"y\", parallel = [\"z\"] }]\nafter = { job = \"a\", on = \"any\" }\n\
    [jobs.c]\ncommand = \"x\"\nany = [{ cron = \"0 9 * * mon-fri\" }, { at = 2026-12-24T18:00:00 }]\nend = 2027-01-01\n";

fn load_bytes(bytes: Vec<u8>) -> Result<JobSet, Vec<Diagnostic>> {
    let file = SourceFile { path: Path::new("jobs.toml").into(), directory: PathBuf::from("/"), bytes };
    load(&Sources { files: vec![file] }, &Zones, &NoPeers)
}

/// Loads, and checks what must hold of every answer.
fn survives(bytes: Vec<u8>) {
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if let Err(found) = load_bytes(bytes) {
        assert!(!found.is_empty());
        for one in &found {
            assert!(one.source_line.get(one.span.clone()).is_some(), "{one:?}");
            assert!(one.line >= 1 && one.column >= 1);
        }
        let _ = render(&found, true);
    }
    let _ = fragment(&text, &name("a"), &JobSet::empty(&Zones), &Zones, &NoPeers);
    let _ = write::set(&text, "env.A", "1");
    let _ = write::export(&sources(&[("j", &text)]), std::iter::empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(bytes);
    }

    #[test]
    fn no_text_of_toml_characters_makes_it_panic(text in "[\\[\\]{}=\"'.,#a-c0-9 \n-]{0,80}") {
        survives(text.into_bytes());
    }

    #[test]
    fn no_change_of_a_sound_file_makes_it_panic(
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0_u8..4), 1..6),
    ) {
        let mut bytes = VALID.as_bytes().to_vec();
        for (place, byte, kind) in changes {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => { bytes.remove(at); }
                _ => bytes.truncate(at.max(1)),
            }
        }
        survives(bytes);
    }
}

#[test]
fn what_is_no_text_is_refused_at_its_place() {
    let found = load_bytes(b"timezone = \"UTC\"\n[jobs.a]\ncommand = \"\xff\"".to_vec()).unwrap_err();
    assert_eq!((found[0].line, found[0].column), (3, 12));
    assert_eq!(found[0].message, "the file is not UTF-8 from here on");
    let found = load_bytes(b"\xff\xfet\0".to_vec()).unwrap_err();
    assert_eq!((found[0].line, found[0].column), (1, 1));
    let found = load_bytes(vec![b' '; MAX_FILE_BYTES + 1]).unwrap_err();
    assert_eq!(found[0].message, "the file is larger than 64 MiB");
}

#[test]
fn depth_and_number_are_bounded() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}b = 1", "a.".repeat(1_000_000)),
        format!("[{}b]", "a.".repeat(1_000_000)),
        format!("[jobs.x]\nany = {}", "[{any=".repeat(30)),
    ] {
        assert!(!refused(&text).is_empty());
    }
    let nested = format!("{}{{ every = \"1h\" }}{}", "{ any = [".repeat(10), "] }".repeat(10));
    let found = refused(&format!("[jobs.x]\ncommand = \"x\"\nany = [{nested}]"));
    assert_eq!(found[0].message, "\"any\" is nested in more than 4 levels");
    assert_eq!(found.len(), 1);
    let many: String = (0..5_000).map(|number| format!("x{number} = 1\n")).collect();
    let found = refused(&many);
    assert_eq!(found.len(), 1_000);
    assert_eq!(found[999].hint.as_deref(), Some("4000 further problems are not shown"));
    assert!(refused(&"=\n".repeat(50_000)).len() <= 1_000);
}

#[test]
fn a_long_chain_of_jobs_is_no_deep_recursion() {
    let mut text = String::from("[jobs.j0]\ncommand = \"x\"\nevery = \"1h\"\n");
    for number in 1..3_000 {
        text.push_str(&format!("[jobs.j{number}]\ncommand = \"x\"\nafter = \"j{}\"\n", number - 1));
    }
    assert_eq!(super::loaded(&text).jobs.len(), 3_000);
    let closed = text.replace("every = \"1h\"", "after = \"j2999\"");
    let found = refused(&closed);
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("j2995 -> ... -> j0"), "{}", found[0].message);
}
