//! Which kind of STL a file is.
//!
//! The word "solid" decides nothing: binary exporters write it into their header too. A binary file is
//! known by its length, which its own triangle count predicts; no text passes that test, because four
//! printable characters read as a count stand for at least 150 million triangles.

use super::{Error, Loaded, MAX_BYTES, stl_ascii, stl_binary};

/// How far into a file the words of a text are looked for; long names of solids fit in.
const SNIFF_BYTES: usize = 4096;

/// Reads a binary or an ASCII STL.
///
/// # Errors
/// [`Error`] says what is wrong and where. Nothing is allocated beyond
/// [`MAX_TRIANGLES`](super::MAX_TRIANGLES), whatever the file says of itself.
pub fn read_stl(bytes: &[u8]) -> Result<Loaded, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLarge { size_bytes: bytes.len() });
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::Empty);
    }
    if stl_binary::length_fits(bytes) {
        stl_binary::read(bytes)
    } else if is_text(bytes) {
        stl_ascii::read(bytes)
    } else {
        stl_binary::read(bytes)
    }
}

fn is_text(bytes: &[u8]) -> bool {
    let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let head = &start[..start.len().min(SNIFF_BYTES)];
    let is_solid = head.len() >= 5 && head[..5].eq_ignore_ascii_case(b"solid");
    // A text has no NUL; the header of a binary file is padded with them, or its first triangle has one.
    is_solid && !head.contains(&0)
}
