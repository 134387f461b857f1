//! Binary STL out.

use super::Mesh;
use crate::measure::vector::{cross, scale, sub, wide};

/// The mesh as a binary STL, normals included.
pub fn write_stl(mesh: &Mesh) -> Vec<u8> {
    let triangles = mesh.triangles();
    let mut out = Vec::with_capacity(84 + 50 * triangles.len());
    let mut header = [b' '; 80];
    header[..11].copy_from_slice(b"binary STL,");
    header[12..23].copy_from_slice(b"millimetres");
    out.extend_from_slice(&header);
    out.extend_from_slice(&(triangles.len() as u32).to_le_bytes());
    for triangle in triangles {
        let [a, b, c] = triangle.map(wide);
        let normal = cross(sub(b, a), sub(c, a));
        let length = normal.iter().map(|n| n * n).sum::<f64>().sqrt();
        let unit = if length > 0.0 { scale(normal, 1.0 / length) } else { [0.0; 3] };
        for value in unit.map(|n| n as f32).iter().chain(triangle.as_flattened()) {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&[0, 0]);
    }
    out
}
