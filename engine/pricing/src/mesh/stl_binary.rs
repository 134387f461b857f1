//! Binary STL: 80 bytes of anything, a little-endian count, 50 bytes per triangle (normal, three
//! corners, two bytes nobody agrees on). Source: the de-facto format of 3D Systems' stereolithography
//! interface specification, 1989. Normals are recomputed where they are needed, so they are not read.

use super::{Error, Loaded, MAX_TRIANGLES, Mesh, Point, Triangle, Warning};

const HEADER_BYTES: usize = 84;
const TRIANGLE_BYTES: usize = 50;

fn count(bytes: &[u8]) -> Option<u32> {
    bytes.get(80..HEADER_BYTES).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes)
}

/// The file is exactly as long as its own count says.
pub(super) fn length_fits(bytes: &[u8]) -> bool {
    count(bytes).is_some_and(|count| bytes.len() as u64 == HEADER_BYTES as u64 + u64::from(count) * TRIANGLE_BYTES as u64)
}

pub(super) fn read(bytes: &[u8]) -> Result<Loaded, Error> {
    let said = count(bytes).ok_or(Error::NotStl)?;
    let body = &bytes[HEADER_BYTES..];
    let holds = (body.len() / TRIANGLE_BYTES) as u64;
    if u64::from(said) > holds {
        return Err(if body.len().is_multiple_of(TRIANGLE_BYTES) {
            Error::LyingCount { said, holds }
        } else {
            Error::TruncatedBinary { said, holds }
        });
    }
    if said as usize > MAX_TRIANGLES {
        return Err(Error::TooManyTriangles { triangles: u64::from(said) });
    }
    let used = said as usize * TRIANGLE_BYTES;
    let mesh = Mesh::new(body[..used].chunks_exact(TRIANGLE_BYTES).map(triangle).collect())?;
    let rest = body.len() - used;
    let warnings = if rest > 0 { vec![Warning::TrailingData { bytes: rest }] } else { Vec::new() };
    Ok(Loaded { mesh, warnings })
}

fn triangle(bytes: &[u8]) -> Triangle {
    [point(&bytes[12..24]), point(&bytes[24..36]), point(&bytes[36..48])]
}

fn point(bytes: &[u8]) -> Point {
    [0, 4, 8].map(|at| f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}
