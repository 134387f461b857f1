//! Why a file is not a mesh that can be priced: what was found, where, and what to do.

use super::{MAX_BYTES, MAX_TRIANGLES};
use crate::measure::{MAX_EXTENT_MM, MIN_EXTENT_MM};

/// Why there is no mesh, or none that can be priced. Triangles and lines are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    /// No bytes, or no triangle in them.
    #[error("the file holds no triangle; export the model again")]
    Empty,
    /// Longer than is read.
    #[error("the file has {size_bytes} bytes, {MAX_BYTES} are allowed; export it as binary STL or with fewer triangles")]
    TooLarge { size_bytes: usize },
    /// More than are read.
    #[error("the file has {triangles} triangles, {MAX_TRIANGLES} are allowed; reduce the mesh before exporting it")]
    TooManyTriangles { triangles: u64 },
    /// Neither kind of STL.
    #[error(
        "this is not an STL file: it neither starts with \"solid\" nor has the 84 bytes of a binary STL header; export the model as STL"
    )]
    NotStl,
    /// The header promises whole triangles that are not there.
    #[error(
        "the header says {said} triangles but the file holds {holds}: the upload is cut or the header wrong; export and upload it again"
    )]
    LyingCount { said: u32, holds: u64 },
    /// The file ends inside a triangle.
    #[error("the file is cut off: its header says {said} triangles but it ends after {holds} and a part of the next one; upload it again")]
    TruncatedBinary { said: u32, holds: u64 },
    /// The text ends before its `endsolid`.
    #[error("the file is cut off in line {line}: {expected} is missing; upload it again")]
    TruncatedAscii { line: u64, expected: &'static str },
    /// The text is not what STL has at this place.
    #[error("line {line}: expected {expected}, found \"{found}\"; export the model again")]
    Syntax { line: u64, expected: &'static str, found: String },
    /// Not a number, or infinite.
    #[error("triangle {triangle} has a coordinate that is not a finite number; repair the mesh and export it again")]
    NotFinite { triangle: u64 },
    /// A sheet, a line, a point.
    #[error("the mesh encloses no volume ({triangles} triangles in one plane or on one line); model a solid body")]
    ZeroVolume { triangles: u64 },
    /// Surely other units than millimetres.
    #[error(
        "the model measures {} mm; between {MIN_EXTENT_MM} and {MAX_EXTENT_MM} mm are plausible: check that it was exported in millimetres",
        size(size_mm)
    )]
    ImplausibleBox { size_mm: [f64; 3] },
}

fn size(mm: &[f64; 3]) -> String {
    mm.map(|extent| if extent >= 1e6 { format!("{extent:.1e}") } else { format!("{extent:.3}") }).join(" × ")
}
