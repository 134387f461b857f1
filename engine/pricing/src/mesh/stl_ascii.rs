//! ASCII STL, line by line:
//!
//! ```text
//! solid NAME
//!   facet normal NX NY NZ
//!     outer loop
//!       vertex X Y Z      (three times)
//!     endloop
//!   endfacet
//! endsolid NAME
//! ```
//!
//! Words in any case, several solids in one file (some exporters write one per part), normals ignored.

use super::{Error, Loaded, MAX_TRIANGLES, Mesh, Point, Triangle, Warning};

/// How much of a wrong line an error shows.
const SHOWN_CHARS: usize = 40;

/// What the next line has to be.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Solid,
    FacetOrEnd,
    Loop,
    Vertex(usize),
    EndLoop,
    EndFacet,
}

impl Expect {
    const fn words(self) -> &'static str {
        match self {
            Expect::Solid => "\"solid\"",
            Expect::FacetOrEnd => "\"facet normal\" or \"endsolid\"",
            Expect::Loop => "\"outer loop\"",
            Expect::Vertex(_) => "\"vertex\" with three numbers",
            Expect::EndLoop => "\"endloop\" (a facet has three vertices)",
            Expect::EndFacet => "\"endfacet\"",
        }
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Loaded, Error> {
    let mut triangles: Vec<Triangle> = Vec::new();
    let mut corners: [Point; 3] = Default::default();
    let mut expect = Expect::Solid;
    let mut trailing_bytes = 0;
    let mut line_no = 0_u64;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    // A line ends with \n, \r\n or \r.
    let lines = text.split(|&byte| byte == b'\n').flat_map(|line| line.strip_suffix(b"\r").unwrap_or(line).split(|&byte| byte == b'\r'));
    for line in lines {
        line_no += 1;
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(first) = words.next() else { continue };
        let is = |word: &[u8]| first.eq_ignore_ascii_case(word);
        expect = match expect {
            Expect::Solid if is(b"solid") => Expect::FacetOrEnd,
            // After a whole solid anything may follow; before the first one `is_text` saw the word.
            Expect::Solid => {
                trailing_bytes += line.len() + 1;
                Expect::Solid
            }
            Expect::FacetOrEnd if is(b"facet") => Expect::Loop,
            Expect::FacetOrEnd if is(b"endsolid") => Expect::Solid,
            Expect::Loop if is(b"outer") => Expect::Vertex(0),
            Expect::Vertex(index) if is(b"vertex") => {
                corners[index] = vertex(&mut words).ok_or_else(|| syntax(line_no, expect, line))?;
                if index == 2 { Expect::EndLoop } else { Expect::Vertex(index + 1) }
            }
            Expect::EndLoop if is(b"endloop") => Expect::EndFacet,
            Expect::EndFacet if is(b"endfacet") => {
                if triangles.len() == MAX_TRIANGLES {
                    // The rest is not counted: the answer is the same.
                    return Err(Error::TooManyTriangles { triangles: MAX_TRIANGLES as u64 + 1 });
                }
                triangles.push(corners);
                Expect::FacetOrEnd
            }
            _ => return Err(syntax(line_no, expect, line)),
        };
    }
    if expect != Expect::Solid {
        return Err(Error::TruncatedAscii { line: line_no, expected: expect.words() });
    }
    let mesh = Mesh::new(triangles)?;
    let warnings = if trailing_bytes > 0 { vec![Warning::TrailingData { bytes: trailing_bytes.min(bytes.len()) }] } else { Vec::new() };
    Ok(Loaded { mesh, warnings })
}

/// Three numbers and nothing else. `nan` and `inf` are numbers here; [`Mesh::new`] names the triangle.
fn vertex<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Option<Point> {
    let mut number = || std::str::from_utf8(words.next()?).ok()?.parse().ok();
    let point = [number()?, number()?, number()?];
    words.next().is_none().then_some(point)
}

fn syntax(line: u64, expect: Expect, found: &[u8]) -> Error {
    let found = String::from_utf8_lossy(found.trim_ascii())
        .chars()
        .take(SHOWN_CHARS)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    Error::Syntax { line, expected: expect.words(), found }
}
