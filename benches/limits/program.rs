//! The program that is started: as small as programs get, so that the start is what is measured.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

/// A program that has been built.
#[derive(Debug)]
pub(crate) struct Program {
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Program {
    /// Compiles `stamp.c` into a directory, statically where the C library allows it.
    pub(crate) fn build(directory: &Path) -> Outcome<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/limits/stamp.c");
        let path = directory.join("stamp");
        for link in ["-static", "-O2"] {
            let output = Command::new("cc").args(["-O2", link, "-o"]).arg(&path).arg(&source).output()?;
            if output.status.success() {
                return Ok(Program { path });
            }
        }
        Err(format!("cc cannot build {}", source.display()).into())
    }

    /// Returns the path for the kernel.
    pub(crate) fn c_path(&self) -> Outcome<CString> {
        Self::c_string(&self.path)
    }

    /// Returns any path for the kernel.
    pub(crate) fn c_string(path: &Path) -> Outcome<CString> {
        Ok(CString::new(path.as_os_str().as_bytes())?)
    }

    /// Returns the path as text for a job file.
    pub(crate) fn text(&self) -> Outcome<&str> {
        Ok(self.path.to_str().ok_or("the target directory is not UTF-8")?)
    }
}
