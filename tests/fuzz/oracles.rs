//! What must hold of any input from outside, whatever it is. Each oracle takes bytes and panics where something
//! does not hold. They are the body of the fuzz targets (`fuzz/`) and of the property tests beside this file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jobctl::core::civil::{Embedded, Zone, ZoneSource};
use jobctl::core::cron::{Cron, DstRules, Parsed};
use jobctl::core::instant::Timestamp;
use jobctl::core::job::{Job, Origin};
use jobctl::core::name::Name;
use jobctl::core::trigger::{CronTrigger, Schedule, Trigger};
use jobctl::jobfile::{self, Diagnostic, JobSet, NoPeers, SourceFile, Sources, mask, render, write};
use jobctl::protocol::frame::{Decoder, FrameError, encode};
use jobctl::protocol::message::{Call, Reply};
use jobctl::protocol::request::Request;

/// 2026-03-28T12:00:00Z: the day before a change of the clock in Berlin.
const START: Timestamp = Timestamp::from_secs(1_774_699_200);

/// The longest frame of the oracle's decoder.
const FRAME_LIMIT: usize = 512;

static BERLIN: LazyLock<Zone> =
    LazyLock::new(|| Embedded.zone("Europe/Berlin").expect("the embedded database has it"));

/// A job file is read to a set, or refused with the places of all that is wrong; a set that was read is written
/// and read again as the same set.
pub(crate) fn job_file(bytes: &[u8]) {
    let sources = sources(bytes);
    let text = String::from_utf8_lossy(bytes);
    match jobfile::load(&sources, &Embedded, &NoPeers) {
        Ok(set) => {
            set.warnings.iter().for_each(|one| has_a_place(one, &text));
            let _ = render(&set.warnings, false);
            comes_back(&set, &sources);
        }
        Err(found) => {
            assert!(!found.is_empty(), "refused without a word");
            found.iter().for_each(|one| has_a_place(one, &text));
            assert!(!render(&found, true).is_empty());
        }
    }
    definition(&text);
}

/// The same text as the definition of an added job.
fn definition(text: &str) {
    let name = Name::new("fuzzed").expect("a valid name");
    let set = JobSet::empty(&Embedded);
    if let Err(found) = jobfile::fragment(text, &name, &set, &Embedded, &NoPeers) {
        assert!(!found.is_empty(), "refused without a word");
        found.iter().for_each(|one| has_a_place(one, text));
    }
    let masked = mask(text);
    assert_eq!(mask(&masked), masked, "masking is done once");
    if let Ok(changed) = write::set(text, "env.FUZZED", "1") {
        write::unset(&changed, "env.FUZZED").expect("what was set can be unset");
        assert!(mask(&changed).contains("***"), "{changed}");
    }
}

fn sources(bytes: &[u8]) -> Sources {
    let path: Arc<Path> = Path::new("jobs.toml").into();
    Sources { files: vec![SourceFile { path, directory: PathBuf::from("/"), bytes: bytes.to_vec() }] }
}

fn has_a_place(one: &Diagnostic, text: &str) {
    assert!(!one.message.is_empty() && !one.message.contains('\n'), "{one:?}");
    assert!(one.line >= 1 && one.line <= text.lines().count().max(1) + 1, "{one:?}");
    assert!(one.column >= 1, "{one:?}");
    assert!(one.source_line.get(one.span.clone()).is_some(), "{one:?}");
}

fn comes_back(set: &JobSet, sources: &Sources) {
    let text = write::export(sources, std::iter::empty()).expect("what loads can be written");
    let again = jobfile::load(&self::sources(text.as_bytes()), &Embedded, &NoPeers);
    let again = again.unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
    let plain = |set: &JobSet| -> Vec<Job> {
        set.jobs.iter().map(|job| Job { origin: Origin::Added, ..(**job).clone() }).collect()
    };
    assert_eq!(plain(&again), plain(set), "{text}");
    assert_eq!(again.pools, set.pools, "{text}");
    assert_eq!(again.notifiers, set.notifiers, "{text}");
}

/// An expression is refused in one line, or means the same when it is read again, can be put into words, and its
/// fire times strictly increase.
pub(crate) fn cron_text(text: &str) {
    let cron = match Cron::parse(text, "seed") {
        Ok(Parsed::Cron(cron)) => cron,
        Ok(Parsed::Reboot) => return,
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains('\n'), "{text:?}: {said:?}");
            return;
        }
    };
    assert_eq!(Cron::parse(cron.text(), "seed"), Ok(Parsed::Cron(cron.clone())), "{text:?}");
    let at_all = cron.fires_at_all();
    let trigger = Trigger::Cron(CronTrigger { cron, dst: DstRules::default() });
    let zone = BERLIN.clone();
    let schedule = Schedule { trigger, zone, start: None, end: None, jitter: Duration::ZERO };
    assert!(!schedule.describe("seed").is_empty(), "{text:?}");
    assert!(!schedule.explain("seed").is_empty(), "{text:?}");
    let mut at = START;
    for _ in 0..8 {
        let Some(next) = schedule.next_after(START, at) else { break };
        assert!(at_all, "{text:?} never fires, and fires at {next}");
        assert!(next > at, "{text:?} at {at}: {next}");
        at = next;
    }
}

/// Frames do not depend on the pieces they come in, the decoder keeps to its bound, and a call that is understood
/// is the same after it was written and read again.
pub(crate) fn frames(bytes: &[u8]) {
    let (whole, stopped) = decoded(bytes, bytes.len().max(1));
    for piece in [1, 7] {
        assert_eq!(decoded(bytes, piece), (whole.clone(), stopped), "in pieces of {piece}");
    }
    for frame in &whole {
        assert!(frame.len() <= FRAME_LIMIT && !frame.contains(&0));
        let _ = Reply::decode(frame);
        let Ok(call) = Call::decode(frame) else { continue };
        if let Ok(request) = Request::parse(&call.method, call.parameters, call.more) {
            let again = Request::parse(&request.qualified_method(), request.parameters(), call.more);
            assert_eq!(again.as_ref(), Ok(&request));
            let written = encode(&request.parameters()).expect("parameters have a JSON form");
            assert_eq!(written.iter().filter(|byte| **byte == 0).count(), 1, "one frame");
        }
    }
}

fn decoded(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut decoder = Decoder::new(FRAME_LIMIT);
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(decoder.buffered() <= FRAME_LIMIT, "{} bytes are kept", decoder.buffered());
    }
    (frames, None)
}
