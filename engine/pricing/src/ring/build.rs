//! Parameters to triangles. Every corner is computed once and used by all its faces, so that the mesh
//! is closed to the bit.

use std::f64::consts::TAU;

use super::profile::{outer_radius, outline};
use super::{RingSpec, SETTING_WALL_MM};
use crate::mesh::{Point, Triangle};

/// How far a setting rises above the band, as a share of the stone's diameter, and at least in mm.
const SETTING_RISE: (f64, f64) = (0.4, 1.0);

/// The outline of the cut, turned around the finger (the y axis).
pub(super) fn band(spec: &RingSpec) -> Vec<Triangle> {
    let outline = outline(spec);
    let loops: Vec<Vec<Point>> = angles(spec)
        .map(|angle| outline.iter().map(|&(radius, y)| point(radius * angle.cos(), y, radius * angle.sin())).collect())
        .collect();
    closed_tube(&loops)
}

/// A tube around the stone, standing on the band: its foot follows the band's outer side.
pub(super) fn setting(spec: &RingSpec, stone_mm: f64) -> Vec<Triangle> {
    let top = outer_radius(spec, 0.0) + (SETTING_RISE.0 * stone_mm).max(SETTING_RISE.1);
    let (inside, outside) = (stone_mm / 2.0, stone_mm / 2.0 + SETTING_WALL_MM);
    let loops: Vec<Vec<Point>> = angles(spec)
        .map(|angle| {
            let at = |radius: f64| (radius * angle.cos(), radius * angle.sin());
            let foot = |(x, y): (f64, f64)| (outer_radius(spec, y).powi(2) - x * x).sqrt();
            let ((xi, yi), (xo, yo)) = (at(inside), at(outside));
            vec![point(xi, yi, foot((xi, yi))), point(xi, yi, top), point(xo, yo, top), point(xo, yo, foot((xo, yo)))]
        })
        .collect();
    closed_tube(&loops)
}

fn angles(spec: &RingSpec) -> impl Iterator<Item = f64> {
    let segments = spec.segments();
    (0..segments).map(move |step| TAU * f64::from(step) / f64::from(segments))
}

fn point(x: f64, y: f64, z: f64) -> Point {
    [x as f32, y as f32, z as f32]
}

/// Joins each loop to the next and the last to the first: a closed shell without a border.
fn closed_tube(loops: &[Vec<Point>]) -> Vec<Triangle> {
    let mut triangles = Vec::with_capacity(loops.len() * loops[0].len() * 2);
    for (index, here) in loops.iter().enumerate() {
        let next = &loops[(index + 1) % loops.len()];
        for corner in 0..here.len() {
            let after = (corner + 1) % here.len();
            let (a, b, c, d) = (here[corner], here[after], next[after], next[corner]);
            triangles.push([a, b, c]);
            triangles.push([a, c, d]);
        }
    }
    triangles
}
