//! The daemon's log: what `tracing` says, on standard error.
//!
//! As text with instants on a terminal or in a file, as JSON lines for collectors, and with the priorities of
//! sd-daemon(3) where the journal reads standard error, which adds instants itself.

use std::fmt;
use std::io;

use clap::ValueEnum;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Journal,
    Json,
}

/// Begins to log; without a format, the one for what standard error is connected to.
pub(crate) fn start(format: Option<LogFormat>, level: Level, colour: bool) {
    let format = format.unwrap_or_else(|| {
        if is_journal(std::env::var_os("JOURNAL_STREAM").as_deref().and_then(|text| text.to_str())) {
            LogFormat::Journal
        } else {
            LogFormat::Text
        }
    });
    // A log that cannot be written (its disk is full) is no reason to fail; told of it on the same standard error, the
    // library would panic.
    let builder = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .with_max_level(level)
        .with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(colour).init(),
        LogFormat::Journal => builder.with_ansi(false).event_format(Prioritised).init(),
        LogFormat::Json => builder.with_ansi(false).json().flatten_event(true).init(),
    }
}

/// Says whether standard error is the stream that systemd says it has connected to the journal: `DEVICE:INODE`
/// (systemd.exec(5)). A child that has been redirected still has the variable, but another file.
fn is_journal(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|text| text.split_once(':')) else { return false };
    rustix::fs::fstat(io::stderr())
        .is_ok_and(|stat| Ok(stat.st_dev) == device.parse() && Ok(stat.st_ino) == inode.parse())
}

/// Lines with the priority in front, `<6>` for information.
struct Prioritised;

impl<S, N> FormatEvent<S, N> for Prioritised
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Returns the priority of syslog(3) for a level.
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::{Prioritised, is_journal};

    /// Where the lines of a test go.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_journal_gets_priorities() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .event_format(Prioritised)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(jobs = 3, "ready");
            tracing::error!("no room");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "<6>ready jobs=3\n<3>no room\n");
    }

    #[test]
    fn a_stream_that_is_not_standard_error_is_no_journal() {
        for stream in [None, Some(""), Some("1"), Some("x:y"), Some("0:0")] {
            assert!(!is_journal(stream), "{stream:?}");
        }
    }
}
