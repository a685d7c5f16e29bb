//! Bounds an output file without standing between the job and its file.
//!
//! A file that grows past its limit keeps its head and its tail. While the run lives, the middle is given
//! back to the file system by punching a hole (fallocate(2)), so the job writes on undisturbed and offsets
//! stay as they are. At the end the file is compacted in place: head, mark, tail.
//!
//! Where the file system cannot punch holes, the file is cut back to its head instead, and the tail is what
//! has come since the last cut.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

/// Room kept for the mark; the longest mark fits.
const MARK_BYTES: u64 = 64;
/// The smallest limit that is honoured, bytes.
const MIN_BYTES: u64 = 256;
/// Holes begin and end at multiples of this, so that no byte that is kept is zeroed.
const BLOCK: u64 = 4096;
/// How far past its limit a file grows before the next hole, at least.
const MIN_SLACK: u64 = 1 << 20;

/// Writes what stands in the place of `bytes` that were left out.
pub(super) fn mark(bytes: u64) -> String {
    format!("\n[... {bytes} bytes left out ...]\n")
}

/// Watches one live output file.
#[derive(Debug)]
pub struct OutputWatch {
    path: PathBuf,
    shares: Shares,
    /// Everything below this and above the head is a hole already.
    punched_to: u64,
    /// The size at the last look.
    last_size: u64,
    /// Bytes cut off, where holes cannot be punched.
    cut: Option<u64>,
}

/// What a look at the file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The bytes written so far (less what was cut off where holes cannot be punched).
    pub size: u64,
    /// True: the file has grown by more than its limit since the last look, so look again soon.
    pub hurry: bool,
    /// True: it is within its limit as it is, so that at the end of the run nothing is left to be done.
    pub fits: bool,
}

/// What remains of an output file after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The size of the file now, mark included.
    pub size: u64,
    /// How many bytes were left out; zero = everything is there.
    pub left_out: u64,
    /// Where the mark begins, if there is one.
    head: u64,
}

/// How the limit is divided.
#[derive(Clone, Copy, Debug)]
struct Shares {
    max: u64,
    head: u64,
    tail: u64,
}

impl Shares {
    fn of(max_bytes: u64) -> Self {
        let max = max_bytes.max(MIN_BYTES);
        let room = max - MARK_BYTES;
        Shares { max, head: room / 2, tail: room - room / 2 }
    }

    fn slack(self) -> u64 {
        (self.max / 4).max(MIN_SLACK)
    }

    /// The first byte that is not head nor room for the mark.
    fn middle(self) -> u64 {
        self.head + MARK_BYTES
    }
}

impl Kept {
    /// Says where a byte that was written at `offset` is now; for a byte left out, where the mark begins.
    pub fn place(&self, offset: u64) -> u64 {
        if self.left_out == 0 || offset <= self.head {
            offset
        } else if offset < self.head + self.left_out {
            self.head
        } else {
            offset - self.left_out + mark(self.left_out).len() as u64
        }
    }
}

impl OutputWatch {
    /// Begins to watch a file of a run that is being started or was adopted.
    pub fn new(path: PathBuf, max_bytes: u64) -> Self {
        OutputWatch { path, shares: Shares::of(max_bytes), punched_to: 0, last_size: 0, cut: None }
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the file and gives back its middle where it has grown well past the limit.
    ///
    /// Costs one stat(2) when there is nothing to do. Called about once a second for each live run, and at
    /// once again after [`Watched::hurry`].
    ///
    /// # Errors
    /// The file is gone or cannot be changed; the run goes on all the same.
    pub fn check(&mut self) -> io::Result<Watched> {
        let size = fs::symlink_metadata(&self.path)?.len();
        let hurry = size.saturating_sub(self.last_size) > self.shares.max.max(MIN_SLACK);
        self.last_size = size;
        // A job may cut its own output off (`> /dev/stdout`).
        self.punched_to = self.punched_to.min(size);
        if self.cut.is_some() {
            self.cut_back(size)?;
        } else if size > self.shares.max.saturating_add(self.shares.slack()) {
            self.punch(size)?;
        }
        let fits = size <= self.shares.max && self.cut.is_none();
        Ok(Watched { size, hurry, fits })
    }

    fn punch(&mut self, size: u64) -> io::Result<()> {
        let from = self.shares.middle().next_multiple_of(BLOCK).max(self.punched_to);
        let to = (size - self.shares.tail) / BLOCK * BLOCK;
        if to < from.saturating_add(self.shares.slack() / 2) {
            return Ok(());
        }
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(open(&self.path)?, mode, from, to - from) {
            Ok(()) => {
                self.punched_to = to;
                Ok(())
            }
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                self.cut = Some(0);
                self.cut_back(size)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn cut_back(&mut self, size: u64) -> io::Result<()> {
        if size > self.shares.max.saturating_add(self.shares.slack()) {
            open(&self.path)?.set_len(self.shares.middle())?;
            self.last_size = self.shares.middle();
            self.cut = self.cut.map(|cut| cut.saturating_add(size - self.shares.middle()));
        }
        Ok(())
    }

    /// Brings the file of an ended attempt into its final form, at most `max_bytes` long.
    ///
    /// Copies up to `max_bytes / 2` bytes where the file is over its limit, so a caller that must not wait
    /// does it on another thread. What a surviving grandchild writes during the copy may be lost; what it
    /// writes later is appended.
    ///
    /// # Errors
    /// The file is gone or cannot be changed.
    pub fn finish(self) -> io::Result<Kept> {
        let Shares { max, head, tail } = self.shares;
        let cut = self.cut.unwrap_or(0);
        let size = fs::symlink_metadata(&self.path)?.len();
        if size <= max && cut == 0 {
            return Ok(Kept { size, left_out: 0, head: 0 });
        }
        let file = open(&self.path)?;
        let from = size.saturating_sub(tail).max(self.shares.middle());
        let left_out = cut.saturating_add(from.saturating_sub(head));
        let mark = mark(left_out);
        file.write_all_at(mark.as_bytes(), head)?;
        let end = move_down(&file, from, head + mark.len() as u64)?;
        file.set_len(end)?;
        Ok(Kept { size: end, left_out, head })
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Copies everything from `from` on to the lower offset `to`; returns the end of the copy.
fn move_down(file: &File, mut from: u64, mut to: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    // A writer that outlives its run could keep this going for ever: no further than the size now.
    let end = file.metadata()?.len();
    while from < end {
        let room = usize::try_from(end - from).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let count = file.read_at(&mut buffer[..room], from)?;
        if count == 0 {
            break;
        }
        file.write_all_at(&buffer[..count], to)?;
        from += count as u64;
        to += count as u64;
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::{Kept, MARK_BYTES, OutputWatch, Shares, mark};

    const MAX: u64 = 64 << 10;

    /// `count` numbered lines of 16 bytes each.
    fn lines(range: std::ops::Range<u32>) -> Vec<u8> {
        range.flat_map(|number| format!("line {number:>10}\n").into_bytes()).collect()
    }

    fn file() -> (tempfile::TempDir, std::path::PathBuf, File) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1.log");
        let file = File::options().append(true).create_new(true).open(&path).unwrap();
        (directory, path, file)
    }

    #[test]
    fn the_longest_mark_has_room() {
        assert!(mark(u64::MAX).len() as u64 <= MARK_BYTES);
        for max in [0, 255, 256, 257, MAX, 16 << 20] {
            let shares = Shares::of(max);
            assert_eq!(shares.head + shares.tail + MARK_BYTES, max.max(256));
        }
    }

    #[test]
    fn short_output_stays_as_it_is() {
        let (_directory, path, mut out) = file();
        out.write_all(&lines(0..100)).unwrap();
        let mut watch = OutputWatch::new(path.clone(), MAX);
        assert_eq!(watch.check().unwrap().size, 1_600);
        let kept = watch.finish().unwrap();
        assert_eq!(kept, Kept { size: 1_600, left_out: 0, head: 0 });
        assert_eq!(kept.place(1_000), 1_000);
        assert_eq!(fs::read(&path).unwrap(), lines(0..100));
    }

    #[test]
    fn p12_head_and_tail_are_kept_with_a_mark_between() {
        let (_directory, path, mut out) = file();
        let whole = lines(0..10_000);
        out.write_all(&whole).unwrap();
        let kept = OutputWatch::new(path.clone(), MAX).finish().unwrap();
        let Shares { head, tail, .. } = Shares::of(MAX);
        let left_out = whole.len() as u64 - head - tail;
        let (head, tail) = (usize::try_from(head).unwrap(), usize::try_from(tail).unwrap());
        let expected = [&whole[..head], mark(left_out).as_bytes(), &whole[whole.len() - tail..]].concat();
        assert_eq!(fs::read(&path).unwrap(), expected);
        assert_eq!((kept.size, kept.left_out), (expected.len() as u64, left_out));
        assert!(kept.size <= MAX);
        // A later writer, and a second look, change nothing of what is kept.
        assert_eq!(OutputWatch::new(path.clone(), MAX).finish().unwrap().left_out, 0);
        out.write_all(b"late").unwrap();
        assert_eq!(fs::read(&path).unwrap(), [&expected[..], b"late"].concat());
    }

    #[test]
    fn offsets_are_translated() {
        let (_directory, path, mut out) = file();
        let whole = lines(0..10_000);
        out.write_all(&whole).unwrap();
        let kept = OutputWatch::new(path.clone(), MAX).finish().unwrap();
        let now = fs::read(&path).unwrap();
        let head = Shares::of(MAX).head;
        for line in [0, 5, 9_990, 9_999] {
            let place = usize::try_from(kept.place(line * 16)).unwrap();
            assert_eq!(now[place..place + 16], lines(line as u32..line as u32 + 1));
        }
        assert_eq!(kept.place(5_000 * 16), head);
        assert_eq!(kept.place(whole.len() as u64), kept.size);
    }

    #[test]
    fn p12_a_live_file_gives_its_middle_back_and_the_writer_goes_on() {
        let (_directory, path, mut out) = file();
        let mut watch = OutputWatch::new(path.clone(), MAX);
        let (mut written, mut most_blocks) = (0, 0);
        for _ in 0..40 {
            let piece = lines(written..written + 32_768);
            written += 32_768;
            out.write_all(&piece).unwrap();
            let seen = watch.check().unwrap();
            assert_eq!(seen.size, u64::from(written) * 16);
            assert!(!seen.hurry);
            most_blocks = most_blocks.max(fs::metadata(&path).unwrap().blocks() * 512);
        }
        // 20 MiB were written; the limit, the slack and one piece are all that is ever there.
        assert!(most_blocks < 3 << 20, "{most_blocks}");
        let kept = watch.finish().unwrap();
        let now = fs::read(&path).unwrap();
        assert_eq!(kept.left_out, u64::from(written) * 16 - MAX + MARK_BYTES);
        let Shares { head, tail, .. } = Shares::of(MAX);
        let (head, tail) = (usize::try_from(head).unwrap(), usize::try_from(tail).unwrap());
        let whole = lines(0..written);
        assert_eq!(now[..head], whole[..head]);
        assert_eq!(now[now.len() - tail..], whole[whole.len() - tail..]);
    }

    #[test]
    fn a_file_that_grows_fast_is_looked_at_again_soon() {
        let (_directory, path, mut out) = file();
        let mut watch = OutputWatch::new(path.clone(), MAX);
        out.write_all(&vec![b'x'; 4 << 20]).unwrap();
        assert!(watch.check().unwrap().hurry);
        assert!(!watch.check().unwrap().hurry);
    }

    #[test]
    fn p12_without_holes_the_file_is_cut() {
        let (_directory, path, mut out) = file();
        let mut watch = OutputWatch { cut: Some(0), ..OutputWatch::new(path.clone(), MAX) };
        let Shares { head, .. } = Shares::of(MAX);
        for round in 0..3 {
            out.write_all(&lines(round * 100_000..(round + 1) * 100_000)).unwrap();
            watch.check().unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), head + MARK_BYTES);
        }
        out.write_all(b"the end\n").unwrap();
        let kept = watch.finish().unwrap();
        let now = fs::read(&path).unwrap();
        let head = usize::try_from(head).unwrap();
        assert_eq!(now[..head], lines(0..10_000)[..head]);
        let left_out = 300_000 * 16 - head as u64;
        assert_eq!(kept.left_out, left_out);
        assert_eq!(now[head..], [mark(left_out).as_bytes(), b"the end\n"].concat());
    }

    #[test]
    fn a_job_may_cut_its_own_output() {
        let (_directory, path, mut out) = file();
        let mut watch = OutputWatch::new(path.clone(), MAX);
        out.write_all(&lines(0..200_000)).unwrap();
        watch.check().unwrap();
        out.set_len(0).unwrap();
        out.write_all(b"anew\n").unwrap();
        assert_eq!(watch.check().unwrap().size, 5);
        assert_eq!(watch.finish().unwrap().left_out, 0);
        assert_eq!(fs::read(&path).unwrap(), b"anew\n");
    }
}
