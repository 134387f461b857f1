//! Triangle meshes: reading, limits, writing. Lengths are millimetres throughout.

mod error;
mod stl;
mod stl_ascii;
mod stl_binary;
mod warning;
mod write;

pub use error::Error;
pub use stl::read_stl;
pub use warning::Warning;
pub use write::write_stl;

/// The longest file that is read.
pub const MAX_BYTES: usize = 64 << 20;
/// The most triangles that are read; with it, a mesh takes at most 36 MB of memory.
pub const MAX_TRIANGLES: usize = 1_000_000;

/// A corner, in mm. Single precision is what STL carries.
pub type Point = [f32; 3];
/// Three corners, counter-clockwise seen from outside.
pub type Triangle = [Point; 3];

/// A bag of triangles. Never empty, every coordinate finite: a reader refuses anything else.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    triangles: Vec<Triangle>,
}

impl Mesh {
    /// Takes triangles that are already in memory.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::TooManyTriangles`] or [`Error::NotFinite`].
    pub fn new(triangles: Vec<Triangle>) -> Result<Self, Error> {
        if triangles.is_empty() {
            return Err(Error::Empty);
        }
        if triangles.len() > MAX_TRIANGLES {
            return Err(Error::TooManyTriangles { triangles: triangles.len() as u64 });
        }
        match triangles.iter().position(|t| !t.as_flattened().iter().all(|c| c.is_finite())) {
            Some(index) => Err(Error::NotFinite { triangle: index as u64 + 1 }),
            None => Ok(Self { triangles }),
        }
    }

    /// All of them.
    pub fn triangles(&self) -> &[Triangle] {
        &self.triangles
    }

    /// The lowest and the highest corner of the box around the mesh.
    pub fn bounds(&self) -> ([f64; 3], [f64; 3]) {
        let mut low = [f64::INFINITY; 3];
        let mut high = [f64::NEG_INFINITY; 3];
        for point in self.triangles.iter().flatten() {
            for axis in 0..3 {
                low[axis] = low[axis].min(f64::from(point[axis]));
                high[axis] = high[axis].max(f64::from(point[axis]));
            }
        }
        (low, high)
    }
}

/// A mesh and what is odd about its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The mesh.
    pub mesh: Mesh,
    /// Nothing that keeps it from being priced.
    pub warnings: Vec<Warning>,
}

#[cfg(test)]
mod tests;
