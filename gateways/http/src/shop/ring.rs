//! `POST /shop/v1/orders/{id}/model/ring`: a ring by its parameters instead of a file.
//!
//! The canonical JSON of the parameters is the model: fields in their order, no spaces, optional ones
//! left out when not given. The pricing worker reads the same bytes; its ring constructor
//! (`engine/pricing/src/ring`) knows the same fields and limits.

use atelier_blobs::Stored;
use atelier_schemas::{CommandData, Model};
use axum::extract::State;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{TAG, customer};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled};
use crate::extract::{CommandParams, Json, OrderId, OrderPath, Terms};
use crate::problem::{Code, Refusal};
use crate::upload::store_away;
use crate::validate::Check;

/// A ring. All lengths in mm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"inner_diameter_mm": 17.2, "width_mm": 4.0, "thickness_mm": 1.6, "profile": "comfort"}))]
pub(crate) struct Ring {
    /// Across the finger.
    #[schema(minimum = 10, maximum = 30)]
    inner_diameter_mm: f64,
    /// Along the finger.
    #[schema(minimum = 1, maximum = 20)]
    width_mm: f64,
    /// From the finger outwards, at the thickest place.
    #[schema(minimum = 0.8, maximum = 6)]
    thickness_mm: f64,
    /// The shape of the cut through the band.
    profile: Profile,
    /// Facets around the ring; 180 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 24, maximum = 720)]
    segments: Option<u32>,
    /// Diameter of a round stone on top; its setting is at most 0.9 of the ring's outer diameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 12)]
    stone_mm: Option<f64>,
}

/// The shape of the cut through the band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Profile {
    Flat,
    Comfort,
    Domed,
}

impl Ring {
    fn check(&self) -> Result<(), Refusal> {
        let mut check = Check::new();
        check.range("inner_diameter_mm", self.inner_diameter_mm, 10.0, 30.0);
        check.range("width_mm", self.width_mm, 1.0, 20.0);
        check.range("thickness_mm", self.thickness_mm, 0.8, 6.0);
        check.range("segments", self.segments.unwrap_or(180), 24, 720);
        if let Some(stone_mm) = self.stone_mm {
            check.range("stone_mm", stone_mm, 1.0, self.widest_stone_mm());
        }
        check.done()
    }

    /// The setting is 0.8 mm wider than the stone on each side and has to stand on the band, whose
    /// edges are thinner when it is domed.
    fn widest_stone_mm(&self) -> f64 {
        let edge = if self.profile == Profile::Domed { 0.6 } else { 1.0 };
        let widest = 0.9 * (self.inner_diameter_mm + 2.0 * self.thickness_mm * edge) - 1.6;
        // Rounded down, so that the number told is one that is taken.
        ((widest * 100.0).floor() / 100.0).min(12.0)
    }
}

/// Construct an order's model
#[utoipa::path(
    post, path = "/shop/v1/orders/{id}/model/ring", operation_id = "shop_ring", tag = TAG,
    params(OrderPath, CommandParams), request_body = Ring,
    responses((status = 200, description = "Stored and attached", body = Accepted), Refusals),
)]
pub(crate) async fn ring(
    State(gateway): State<Gateway>,
    OrderId(id): OrderId,
    terms: Terms,
    Json(ring): Json<Ring>,
) -> Result<Settled, Refusal> {
    ring.check()?;
    let bytes = serde_json::to_vec(&ring).map_err(|_| Refusal::new(Code::Internal, "The parameters could not be written."))?;
    let Stored { sha256, size_bytes } = if terms.dry_run {
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Stored { sha256, size_bytes: bytes.len() as u64 }
    } else {
        gateway.app.blobs.put(Bytes::from(bytes)).await.map_err(|error| store_away(&error).order(id))?
    };
    let model = Model { sha256, format: "ring".into(), size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX) };
    customer(&gateway, terms).send(Ask::new(id, "ring", CommandData::AttachModel { model })).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(json: &str) -> Ring {
        serde_json::from_str(json).expect("a ring")
    }

    #[test]
    fn the_bytes_are_canonical() {
        let given = ring(r#"{ "profile": "domed", "width_mm": 4, "thickness_mm": 1.60, "inner_diameter_mm": 17.2, "stone_mm": null }"#);
        assert_eq!(
            serde_json::to_string(&given).expect("json"),
            r#"{"inner_diameter_mm":17.2,"width_mm":4.0,"thickness_mm":1.6,"profile":"domed"}"#
        );
    }

    #[test]
    fn every_length_has_its_limits() {
        let base = r#""width_mm":4,"thickness_mm":1.6,"profile":"flat"}"#;
        assert!(ring(&format!(r#"{{"inner_diameter_mm":10,{base}"#)).check().is_ok());
        assert!(ring(&format!(r#"{{"inner_diameter_mm":9.99,{base}"#)).check().is_err());
        assert!(ring(&format!(r#"{{"inner_diameter_mm":10,"stone_mm":10.28,{base}"#)).check().is_ok());
        let problem = ring(&format!(r#"{{"inner_diameter_mm":10,"stone_mm":10.29,{base}"#)).check().expect_err("too wide").into_problem();
        assert_eq!((problem.errors[0].field.as_str(), problem.errors[0].fix.as_str()), ("stone_mm", "Send 1 to 10.28."));
    }
}
