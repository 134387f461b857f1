//! The shells of a closed mesh: bodies, cavities in them, and bodies that were turned inside out.
//!
//! A shell is what hangs together by edges. Corners join nothing: a body that touches another one in a point stays a body.
//! Whether a shell that looks the other way than the largest one is a cavity is told by boxes: one in a bay of a body is taken
//! for a cavity too, so every such shell is told to the seller.

use super::vector::{Vector, cross, dot, sub, wide};
use crate::mesh::{Mesh, Point, Triangle};

/// A cavity is looked for in so many bodies, the largest ones; a hostile file has a hundred thousand of both.
const BODIES: usize = 64;
/// A shell of less is not told: in silver, ten nanograms.
const TOLD_MM3: f64 = 1e-6;

/// Numbers the shells from 0 by their first faces. `pairs` are the faces on both sides of each edge. At worst n·log n, as
/// sorting the edges was.
pub(super) fn number(faces: usize, pairs: impl Iterator<Item = (u32, u32)>) -> Vec<u32> {
    let mut parents: Vec<u32> = (0..faces as u32).collect();
    for (one, other) in pairs {
        let (one, other) = (root(&mut parents, one), root(&mut parents, other));
        parents[one.max(other) as usize] = one.min(other);
    }
    // A parent is a face that came before, and has its number by then.
    let mut shells = 0;
    for face in 0..faces as u32 {
        let parent = parents[face as usize];
        if parent == face {
            parents[face as usize] = shells;
            shells += 1;
        } else {
            parents[face as usize] = parents[parent as usize];
        }
    }
    parents
}

fn root(parents: &mut [u32], mut face: u32) -> u32 {
    while parents[face as usize] != face {
        let above = parents[parents[face as usize] as usize];
        parents[face as usize] = above;
        face = above;
    }
    face
}

/// What the shells say about the sum of their volumes.
#[derive(Default)]
pub(super) struct Shells {
    /// The largest one looks inwards.
    pub(super) inside_out: bool,
    /// Look the other way than the largest one, within the box of a body.
    pub(super) cavities: u64,
    /// Look the other way, and are no cavities.
    pub(super) turned: u64,
    /// The volume of those, which the sum has with the wrong sign.
    pub(super) turned_mm3: f64,
}

/// Looks at the shells that [`number`] has found.
pub(super) fn judge(mesh: &Mesh, numbers: &[u32]) -> Shells {
    let mut shells = Vec::with_capacity(numbers.iter().max().map_or(0, |last| *last as usize + 1));
    for (triangle, number) in mesh.triangles().iter().zip(numbers) {
        let number = *number as usize;
        if number == shells.len() {
            shells.push(Shell::at(triangle[0]));
        }
        shells[number].add(triangle);
    }
    let largest = shells.iter().map(|shell| shell.six_volumes).max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    let mut bodies: Vec<&Shell> = shells.iter().filter(|shell| shell.six_volumes * largest > 0.0).collect();
    bodies.sort_unstable_by(|a, b| b.six_volumes.abs().total_cmp(&a.six_volumes.abs()));
    bodies.truncate(BODIES);
    let mut found = Shells { inside_out: largest < 0.0, ..Shells::default() };
    for shell in shells.iter().filter(|shell| shell.six_volumes * largest < 0.0) {
        let volume_mm3 = shell.six_volumes.abs() / 6.0;
        let told = u64::from(volume_mm3 >= TOLD_MM3);
        if bodies.iter().any(|body| body.surrounds(shell)) {
            found.cavities += told;
        } else {
            found.turned += told;
            found.turned_mm3 += volume_mm3;
        }
    }
    found
}

struct Shell {
    /// Of its own, so that a shell without a volume has none to the bit.
    reference: Vector,
    /// Negative when its faces look inwards.
    six_volumes: f64,
    low: Point,
    high: Point,
}

impl Shell {
    fn at(corner: Point) -> Self {
        Self { reference: wide(corner), six_volumes: 0.0, low: corner, high: corner }
    }

    fn add(&mut self, triangle: &Triangle) {
        let [a, b, c] = triangle.map(|corner| sub(wide(corner), self.reference));
        self.six_volumes += dot(a, cross(b, c));
        for point in triangle {
            self.low = std::array::from_fn(|axis| self.low[axis].min(point[axis]));
            self.high = std::array::from_fn(|axis| self.high[axis].max(point[axis]));
        }
    }

    fn surrounds(&self, other: &Shell) -> bool {
        (0..3).all(|axis| self.low[axis] <= other.low[axis] && other.high[axis] <= self.high[axis])
    }
}
