//! Whether every edge joins exactly two faces, and whether those look to the same side.
//!
//! Corners are the same when their bits are (with −0 taken as 0): what an exporter wrote once and meant
//! as one point is equal to the bit, and any tolerance would close holes that are there. Sorting instead
//! of hashing keeps the worst case of a hostile file at n·log n and its memory at 80 bytes a triangle.

use super::shells;
use crate::mesh::{Mesh, Point};

/// Counts over all undirected edges.
pub(crate) struct Edges {
    /// Joining one face, or three and more.
    pub(crate) open: u64,
    /// Joining two faces that run along it in the same direction: one of them looks the wrong way.
    pub(crate) turned: u64,
    /// The shell of each face, by number. Only where no edge is open or turned: otherwise there is nothing whole.
    pub(crate) shells: Option<Vec<u32>>,
}

pub(crate) fn count(mesh: &Mesh) -> Edges {
    let corners = weld(mesh);
    // An edge and its direction in one number: low corner, high corner, direction bit. With it the face.
    let mut edges: Vec<(u64, u32)> = Vec::with_capacity(corners.len());
    for (face, number) in corners.as_chunks::<3>().0.iter().zip(0..) {
        let [a, b, c] = *face;
        // A face that collapsed to a line joins nothing.
        if a == b || b == c || c == a {
            continue;
        }
        edges.extend([(a, b), (b, c), (c, a)].map(|(from, to)| {
            let (low, high) = (u64::from(from.min(to)), u64::from(from.max(to)));
            (low << 33 | high << 1 | u64::from(from > to), number)
        }));
    }
    drop(corners);
    edges.sort_unstable();
    let mut counts = Edges { open: 0, turned: 0, shells: None };
    for same in edges.chunk_by(|a, b| a.0 >> 1 == b.0 >> 1) {
        match same {
            [one, other] if one.0 != other.0 => {}
            [_, _] => counts.turned += 1,
            _ => counts.open += 1,
        }
    }
    if counts.open == 0 && counts.turned == 0 {
        let pairs = edges.as_chunks::<2>().0.iter().map(|[one, other]| (one.1, other.1));
        counts.shells = Some(shells::number(mesh.triangles().len(), pairs));
    }
    counts
}

/// A number per corner, equal where the corners are. At most 3 million of them: 32 bits are plenty.
fn weld(mesh: &Mesh) -> Vec<u32> {
    let points = mesh.triangles().as_flattened();
    let mut order: Vec<([u32; 3], u32)> = points.iter().zip(0..).map(|(point, index)| (bits(*point), index)).collect();
    order.sort_unstable();
    let mut numbers = vec![0; points.len()];
    let mut number = 0;
    for pair in 0..order.len() {
        if pair > 0 && order[pair].0 != order[pair - 1].0 {
            number += 1;
        }
        numbers[order[pair].1 as usize] = number;
    }
    numbers
}

fn bits(point: Point) -> [u32; 3] {
    // Adding zero turns −0 into 0 and nothing else.
    point.map(|c| (c + 0.0).to_bits())
}
