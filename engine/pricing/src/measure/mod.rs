//! What a mesh measures: volume, area, box, and whether it is a closed body.
//!
//! Volume is the sum of signed tetrahedra between each face and one reference point (the divergence
//! theorem; Zhang and Chen, "Efficient feature extraction for 2D/3D objects in mesh representation",
//! ICIP 2001). The reference point is the middle of the box: with the origin, a model far away from it
//! would lose its digits. Bodies that overlap are counted twice; nothing here looks for that. A body turned inside out would
//! take its volume off the others': where the mesh is closed, it is added (`shells.rs`).

mod edges;
mod shells;
pub(crate) mod vector;

use atelier_schemas::Measures;

use crate::mesh::{Error, Mesh, Warning};
use vector::{cross, dot, length, scale, sub, wide};

/// A model longer than this along any axis is not jewellery in millimetres.
pub const MAX_EXTENT_MM: f64 = 1000.0;
/// A model shorter than this along every axis is not either.
pub const MIN_EXTENT_MM: f64 = 0.1;
/// Less than this is rounding, not a body: in silver, ten nanograms.
const MIN_VOLUME_MM3: f64 = 1e-6;
/// Less than this share of the box is rounding too.
const MIN_VOLUME_SHARE: f64 = 1e-9;

/// Measures and what is odd about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// For the quote.
    pub measures: Measures,
    /// For the seller.
    pub warnings: Vec<Warning>,
}

/// Measures a mesh.
///
/// # Errors
/// [`Error::ImplausibleBox`] or [`Error::ZeroVolume`].
pub fn measure(mesh: &Mesh) -> Result<Measured, Error> {
    let (low, high) = mesh.bounds();
    let size_mm = sub(high, low);
    let longest = size_mm.iter().copied().fold(0.0, f64::max);
    if !(MIN_EXTENT_MM..=MAX_EXTENT_MM).contains(&longest) {
        return Err(Error::ImplausibleBox { size_mm });
    }
    let sums = sum_faces(mesh, scale([low[0] + high[0], low[1] + high[1], low[2] + high[2]], 0.5));
    let edges = edges::count(mesh);
    let shells = edges.shells.map(|numbers| shells::judge(mesh, &numbers)).unwrap_or_default();
    let outwards_mm3 = if shells.inside_out { -sums.volume_mm3 } else { sums.volume_mm3 };
    let volume_mm3 = (outwards_mm3 + 2.0 * shells.turned_mm3).abs();
    if volume_mm3 < MIN_VOLUME_MM3 || volume_mm3 < MIN_VOLUME_SHARE * longest.powi(3) {
        return Err(Error::ZeroVolume { triangles: mesh.triangles().len() as u64 });
    }
    let mut warnings = Vec::new();
    if sums.flat_faces > 0 {
        warnings.push(Warning::ZeroAreaFaces { count: sums.flat_faces });
    }
    if edges.open > 0 {
        warnings.push(Warning::NotWatertight { open_edges: edges.open });
    }
    if edges.turned > 0 {
        warnings.push(Warning::MixedOrientation { edges: edges.turned });
    } else if shells.inside_out {
        warnings.push(Warning::InsideOut);
    }
    if shells.cavities + shells.turned > 0 {
        warnings.push(Warning::OppositeShells { cavities: shells.cavities, turned: shells.turned });
    }
    let measures = Measures {
        volume_mm3,
        area_mm2: sums.area_mm2,
        triangles: mesh.triangles().len() as i64,
        watertight: edges.open == 0,
        size_mm: size_mm.to_vec(),
    };
    Ok(Measured { measures, warnings })
}

struct Sums {
    /// Negative when the faces look inwards.
    volume_mm3: f64,
    area_mm2: f64,
    flat_faces: u64,
}

fn sum_faces(mesh: &Mesh, reference: vector::Vector) -> Sums {
    let mut sums = Sums { volume_mm3: 0.0, area_mm2: 0.0, flat_faces: 0 };
    let mut six_volumes = 0.0;
    for triangle in mesh.triangles() {
        let [a, b, c] = triangle.map(|corner| sub(wide(corner), reference));
        six_volumes += dot(a, cross(b, c));
        let area = length(cross(sub(b, a), sub(c, a))) / 2.0;
        sums.area_mm2 += area;
        sums.flat_faces += u64::from(area == 0.0);
    }
    sums.volume_mm3 = six_volumes / 6.0;
    sums
}

#[cfg(test)]
mod tests;
