//! The cut through the band.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::RingSpec;

/// Points along each curved side.
const CURVE_POINTS: u32 = 16;
/// How far a curved side falls off at the edges, as a share of the thickness.
const FALL: f64 = 0.4;

/// The shape of the cut through the band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A rectangle.
    Flat,
    /// Flat outside, curved inside: easy to put on.
    Comfort,
    /// Curved outside, flat inside.
    Domed,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Flat => "flat",
            Profile::Comfort => "comfort",
            Profile::Domed => "domed",
        })
    }
}

impl Profile {
    /// Thickness of the outer side at its edge, as a share of the full thickness.
    pub(crate) fn edge_share(self) -> f64 {
        if self == Profile::Domed { 1.0 - FALL } else { 1.0 }
    }
}

/// Radius of the outer side at `y` from the middle of the band; beyond the band, that of its edge.
pub(crate) fn outer_radius(spec: &RingSpec, y: f64) -> f64 {
    let fall = if spec.profile == Profile::Domed { FALL * share(spec, y) } else { 0.0 };
    spec.inner_diameter_mm / 2.0 + spec.thickness_mm * (1.0 - fall)
}

fn inner_radius(spec: &RingSpec, y: f64) -> f64 {
    let fall = if spec.profile == Profile::Comfort { FALL * share(spec, y) } else { 0.0 };
    spec.inner_diameter_mm / 2.0 + spec.thickness_mm * fall
}

/// 0 in the middle of the band, 1 at its edges, a parabola between.
fn share(spec: &RingSpec, y: f64) -> f64 {
    (2.0 * y / spec.width_mm).clamp(-1.0, 1.0).powi(2)
}

/// The outline of the cut as (radius, y), counter-clockwise with the radius to the right.
pub(crate) fn outline(spec: &RingSpec) -> Vec<(f64, f64)> {
    let half = spec.width_mm / 2.0;
    let side = |curved: bool, radius: fn(&RingSpec, f64) -> f64, from: f64| {
        let steps = if curved { CURVE_POINTS } else { 1 };
        (0..=steps).map(move |step| from * (1.0 - 2.0 * f64::from(step) / f64::from(steps))).map(move |y| (radius(spec, y), y))
    };
    let outside = side(spec.profile == Profile::Domed, outer_radius, -half);
    let inside = side(spec.profile == Profile::Comfort, inner_radius, half);
    outside.chain(inside).collect()
}
