//! The ring constructor: a handful of parameters instead of a file.
//!
//! The canonical JSON of a [`RingSpec`] *is* the model (format `ring`): its bytes lie in the object
//! store under their hash, and whoever has them can build the same mesh again.

mod build;
mod profile;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use profile::Profile;

use crate::mesh::{self, Mesh, Warning};

/// Longer parameters are not a ring.
pub const MAX_JSON_BYTES: usize = 4096;
/// Facets around the ring when none are asked for.
const DEFAULT_SEGMENTS: u32 = 180;
/// Between the stone and the outside of its setting, in mm.
pub(crate) const SETTING_WALL_MM: f64 = 0.8;

/// A ring, by its parameters. All lengths in mm.
///
/// ```json
/// {"inner_diameter_mm": 17.2, "width_mm": 4, "thickness_mm": 1.6, "profile": "comfort", "segments": 180, "stone_mm": 3}
/// ```
/// `segments` and `stone_mm` may be left out; any other field is refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingSpec {
    /// Across the finger: 10 to 30.
    pub inner_diameter_mm: f64,
    /// Along the finger: 1 to 20.
    pub width_mm: f64,
    /// From the finger outwards, at the thickest place: 0.8 to 6.
    pub thickness_mm: f64,
    /// The shape of the cut through the band.
    pub profile: Profile,
    /// Facets around the ring: 24 to 720, 180 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    /// Diameter of a round stone in a tube setting on top: 1 to 12, and the setting (0.8 mm wider on
    /// each side) at most 0.9 of the ring's outer diameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stone_mm: Option<f64>,
}

/// Why parameters are not a ring.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// Not JSON, an unknown or missing field, a wrong type.
    #[error("the ring's parameters cannot be read: {0}")]
    Json(String),
    /// A value out of its range.
    #[error("{field} is {given}; it must be between {low} and {high}")]
    OutOfRange {
        /// The field at fault.
        field: &'static str,
        /// As given.
        given: f64,
        /// The lowest value allowed.
        low: f64,
        /// The highest value allowed; depends on the other fields where they limit it.
        high: f64,
    },
}

impl Error {
    /// The field at fault, when it is one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Error::Json(_) => None,
            Error::OutOfRange { field, .. } => Some(field),
        }
    }
}

impl RingSpec {
    /// Reads and checks the parameters; lengths are taken to the micrometre.
    ///
    /// # Errors
    /// [`Error`] names the field.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_JSON_BYTES {
            return Err(Error::Json(format!("{} bytes, {MAX_JSON_BYTES} are allowed", bytes.len())));
        }
        let given: Self = serde_json::from_slice(bytes).map_err(|error| Error::Json(error.to_string()))?;
        given.validate()?;
        // Short decimals come back from JSON to the bit; the longest ones do not.
        let micrometres = |mm: f64| (mm * 1000.0).round() / 1000.0;
        Ok(Self {
            inner_diameter_mm: micrometres(given.inner_diameter_mm),
            width_mm: micrometres(given.width_mm),
            thickness_mm: micrometres(given.thickness_mm),
            stone_mm: given.stone_mm.map(micrometres),
            ..given
        })
    }

    /// The canonical bytes: the fields in their order, no spaces.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and an enum always serialise")
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for the first field at fault.
    pub fn validate(&self) -> Result<(), Error> {
        check("inner_diameter_mm", self.inner_diameter_mm, 10.0, 30.0)?;
        check("width_mm", self.width_mm, 1.0, 20.0)?;
        check("thickness_mm", self.thickness_mm, 0.8, 6.0)?;
        check("segments", f64::from(self.segments()), 24.0, 720.0)?;
        if let Some(stone_mm) = self.stone_mm {
            // The setting's foot has to meet the band: it cannot be wider than the ring.
            let widest = 0.9 * (self.inner_diameter_mm + 2.0 * self.thickness_mm * self.profile.edge_share()) - 2.0 * SETTING_WALL_MM;
            check("stone_mm", stone_mm, 1.0, widest.min(12.0))?;
        }
        Ok(())
    }

    /// A watertight mesh, standing upright: the finger along y, the stone on top along z. The ring and
    /// the setting are two closed shells that touch and do not overlap.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn mesh(&self) -> Result<Mesh, Error> {
        self.validate()?;
        let mut triangles = build::band(self);
        if let Some(stone_mm) = self.stone_mm {
            triangles.extend(build::setting(self, stone_mm));
        }
        Ok(mesh::Mesh::new(triangles).expect("a checked ring has a bounded number of finite triangles"))
    }

    /// What a seller should know about the price of this ring.
    pub fn warnings(&self) -> Vec<Warning> {
        self.stone_mm.map(|mm| Warning::StoneNotIncluded(mm.to_string())).into_iter().collect()
    }

    pub(crate) fn segments(&self) -> u32 {
        self.segments.unwrap_or(DEFAULT_SEGMENTS)
    }
}

/// Within half a micrometre: what is rounded to the limit is at the limit.
fn check(field: &'static str, given: f64, low: f64, high: f64) -> Result<(), Error> {
    let inside = given >= low - 0.0005 && given <= high + 0.0005;
    if inside { Ok(()) } else { Err(Error::OutOfRange { field, given, low, high }) }
}

impl fmt::Display for RingSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ring {} × {} × {} mm", self.profile, self.inner_diameter_mm, self.width_mm, self.thickness_mm)?;
        self.stone_mm.map_or(Ok(()), |mm| write!(f, ", stone {mm} mm"))
    }
}

#[cfg(test)]
mod tests;
