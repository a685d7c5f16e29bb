//! Reads output files, also while the job writes and the daemon punches holes.
//!
//! A hole reads as the mark that will stand there in the end. A file that was compacted between two reads is
//! followed on from the same byte of the job's output.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::SeekFrom as Sparse;
use rustix::io::Errno;

use super::bound::mark;

/// The most bytes of one piece.
const PIECE: usize = 64 << 10;
/// How far a search for lines or for the mark goes, bytes: far beyond any sensible limit of a file.
const SEARCH: u64 = 1 << 30;
const MARK_HEAD: &[u8] = b"\n[... ";
const MARK_TAIL: &[u8] = b" bytes left out ...]\n";

/// A place in an output file, to read on from.
#[derive(Debug)]
pub struct LogReader {
    file: File,
    offset: u64,
}

impl LogReader {
    /// Opens a file at an offset (0 = its beginning).
    ///
    /// # Errors
    /// There is no such file, or it is not ours to read.
    pub fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        Ok(LogReader { file, offset })
    }

    /// Opens a file at the beginning of its last `lines` lines.
    ///
    /// # Errors
    /// As [`LogReader::open`], or the file cannot be read.
    pub fn open_at_last_lines(path: &Path, lines: usize) -> io::Result<Self> {
        let mut reader = LogReader::open(path, 0)?;
        reader.offset = reader.start_of_last_lines(lines)?;
        Ok(reader)
    }

    /// Returns where the next piece begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the next bytes, at most 64 KiB; none when the end as of now is reached.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_piece(&mut self) -> io::Result<Vec<u8>> {
        let size = self.file.metadata()?.len();
        if self.offset > size {
            self.find_place_again()?;
        }
        loop {
            if self.offset >= size {
                return Ok(Vec::new());
            }
            let data = self.next_data(self.offset, size);
            if data > self.offset {
                let left_out = mark(data - self.offset);
                self.offset = data;
                return Ok(left_out.into_bytes());
            }
            let mut piece = vec![0; PIECE];
            let room = self.next_hole(self.offset, size) - self.offset;
            let room = usize::try_from(room).map_or(PIECE, |room| room.min(PIECE));
            let count = self.file.read_at(&mut piece[..room], self.offset)?;
            piece.truncate(count);
            // Zeroes may be a hole punched just now; then say so instead.
            if !piece.contains(&0) || self.next_data(self.offset, size) == self.offset {
                self.offset += count as u64;
                return Ok(piece);
            }
        }
    }

    /// Reads from here to the end as of now, at most `limit` bytes.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rest(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while all.len() < limit {
            let piece = self.next_piece()?;
            if piece.is_empty() {
                break;
            }
            all.extend(piece);
        }
        all.truncate(limit);
        Ok(all)
    }

    /// The first byte at or after `offset` that is stored; `offset` itself where that cannot be told.
    fn next_data(&self, offset: u64, size: u64) -> u64 {
        match rustix::fs::seek(&self.file, Sparse::Data(offset)) {
            Ok(data) => data.max(offset),
            Err(Errno::NXIO) => size,
            Err(_) => offset,
        }
    }

    fn next_hole(&self, offset: u64, size: u64) -> u64 {
        rustix::fs::seek(&self.file, Sparse::Hole(offset)).unwrap_or(size).max(offset + 1)
    }

    /// After the file has become shorter than what was read: it was compacted, or the job cut it off.
    fn find_place_again(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut text = Vec::new();
        (&self.file).take(SEARCH).read_to_end(&mut text)?;
        self.offset = match find_mark(&text) {
            Some((at, length, left_out)) if self.offset >= at + left_out => self.offset - left_out + length,
            Some((at, ..)) => at.min(self.offset),
            None => 0,
        };
        Ok(())
    }

    fn start_of_last_lines(&self, lines: usize) -> io::Result<u64> {
        let size = self.file.metadata()?.len();
        let (mut end, mut found) = (size, 0);
        let mut piece = vec![0; PIECE];
        while end > size.saturating_sub(SEARCH) {
            let start = end.saturating_sub(PIECE as u64);
            // A hole ends the search: the tail is what there is.
            let data = self.next_data(start, end).min(end);
            let length = usize::try_from(end - data).unwrap_or(PIECE).min(PIECE);
            self.file.read_exact_at(&mut piece[..length], data)?;
            for (index, byte) in piece[..length].iter().enumerate().rev() {
                let at = data + index as u64;
                // The newline that ends the last line begins none.
                if *byte == b'\n' && at + 1 < size {
                    found += 1;
                    if found == lines {
                        return Ok(at + 1);
                    }
                }
            }
            if data > start || start == 0 {
                return Ok(if lines == 0 { size } else { data });
            }
            end = start;
        }
        Ok(if lines == 0 { size } else { end })
    }
}

/// Finds the mark of a compacted file: where it begins, its length, and how many bytes it stands for.
fn find_mark(text: &[u8]) -> Option<(u64, u64, u64)> {
    let mut from = 0;
    while let Some(at) = find(&text[from..], MARK_HEAD).map(|at| from + at) {
        let rest = &text[at + MARK_HEAD.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = str::from_utf8(&rest[..digits]).ok().and_then(|number| number.parse().ok());
        if let Some(left_out) = number.filter(|_| rest[digits..].starts_with(MARK_TAIL)) {
            return Some((at as u64, (MARK_HEAD.len() + digits + MARK_TAIL.len()) as u64, left_out));
        }
        from = at + 1;
    }
    None
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::Path;

    use super::{LogReader, find_mark};
    use crate::process::bound::{OutputWatch, mark};

    const MAX: u64 = 64 << 10;

    fn append(path: &Path, bytes: &[u8]) {
        File::options().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    fn last(path: &Path, lines: usize) -> Vec<u8> {
        LogReader::open_at_last_lines(path, lines).unwrap().rest(usize::MAX).unwrap()
    }

    #[test]
    fn the_last_lines_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let cases: [(&[u8], usize, &[u8]); 9] = [
            (b"", 3, b""),
            (b"one", 3, b"one"),
            (b"one\ntwo\n", 1, b"two\n"),
            (b"one\ntwo", 1, b"two"),
            (b"one\ntwo\n", 2, b"one\ntwo\n"),
            (b"one\ntwo\n", 9, b"one\ntwo\n"),
            (b"one\n\n", 1, b"\n"),
            (b"one\ntwo\n", 0, b""),
            (b"\xff\xfe\n\x00\n", 1, b"\x00\n"),
        ];
        for (text, lines, expected) in cases {
            fs::write(&path, text).unwrap();
            assert_eq!(last(&path, lines), expected, "{text:?} {lines}");
        }
        let long: Vec<u8> = (0..50_000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
        fs::write(&path, &long).unwrap();
        assert_eq!(last(&path, 3), b"49997\n49998\n49999\n");
        assert_eq!(last(&path, 40_000).iter().filter(|byte| **byte == b'\n').count(), 40_000);
    }

    #[test]
    fn a_follower_gets_each_byte_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, b"one\n");
        let mut reader = LogReader::open(&path, 0).unwrap();
        assert_eq!(reader.next_piece().unwrap(), b"one\n");
        assert_eq!(reader.next_piece().unwrap(), b"");
        append(&path, b"two\n");
        assert_eq!(reader.next_piece().unwrap(), b"two\n");
        assert_eq!(reader.offset(), 8);
        let mut again = LogReader::open(&path, 4).unwrap();
        assert_eq!(again.rest(2).unwrap(), b"tw");
    }

    #[test]
    fn p12_a_hole_reads_as_a_mark() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, b"first\n");
        append(&path, &vec![b'.'; 4 << 20]);
        append(&path, b"\nlast\n");
        let mut watch = OutputWatch::new(path.clone(), MAX);
        watch.check().unwrap();
        let all = LogReader::open(&path, 0).unwrap().rest(usize::MAX).unwrap();
        assert!(all.len() < 80 << 10 && all.starts_with(b"first\n") && all.ends_with(b"\nlast\n"));
        assert!(find_mark(&all).is_some() && !all.contains(&0));
        // A search for lines that are not there ends at the hole.
        assert!(last(&path, 10).len() < 48 << 10);
        assert_eq!(last(&path, 1), b"last\n");
    }

    #[test]
    fn p12_a_follower_goes_on_after_the_file_was_compacted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, &vec![b'.'; 4 << 20]);
        append(&path, b"\nlast\n");
        let mut up_to_date = LogReader::open(&path, 0).unwrap();
        up_to_date.rest(usize::MAX).unwrap();
        let mut in_the_gap = LogReader::open(&path, 2 << 20).unwrap();
        append(&path, b"very last\n");
        let kept = OutputWatch::new(path.clone(), MAX).finish().unwrap();
        assert_eq!(up_to_date.rest(usize::MAX).unwrap(), b"very last\n");
        assert!(in_the_gap.rest(usize::MAX).unwrap().starts_with(mark(kept.left_out).as_bytes()));
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        append(&path, b"anew\n");
        assert_eq!(up_to_date.rest(usize::MAX).unwrap(), b"anew\n");
    }

    #[test]
    fn only_a_whole_mark_is_one() {
        let text = [b"x\n[... 12 bytes\n[... y", mark(345).as_bytes(), b"z"].concat();
        assert_eq!(find_mark(&text), Some((22, mark(345).len() as u64, 345)));
        assert_eq!(find_mark(b"\n[... 99999999999999999999999 bytes left out ...]\n"), None);
        assert_eq!(find_mark(b"\n[..."), None);
    }
}
