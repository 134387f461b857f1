//! Rings of all shapes: closed, right in volume, refused by field.

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;

use super::profile::outline;
use super::{Error, Profile, RingSpec};
use crate::measure::measure;
use crate::mesh::{Warning, read_stl, write_stl};

const FLAT: RingSpec =
    RingSpec { inner_diameter_mm: 17.0, width_mm: 4.0, thickness_mm: 1.5, profile: Profile::Flat, segments: None, stone_mm: None };

/// Pappus: the area of the cut times the way of its centroid, less what the facets cut off.
fn volume_by_pappus(spec: &RingSpec) -> f64 {
    let outline = outline(spec);
    let mut moment = 0.0;
    for (index, &(r0, y0)) in outline.iter().enumerate() {
        let (r1, y1) = outline[(index + 1) % outline.len()];
        moment += (r0 * y1 - r1 * y0) * (r0 + r1) / 6.0;
    }
    let segments = f64::from(spec.segments());
    moment * segments * (TAU / segments).sin()
}

fn ring() -> impl Strategy<Value = RingSpec> {
    let profile = prop::sample::select(vec![Profile::Flat, Profile::Comfort, Profile::Domed]);
    // In micrometres.
    let length = |low: u32, high: u32| (low..=high).prop_map(|um| f64::from(um) / 1000.0);
    let stone = prop::option::of(length(1000, 12_000));
    (length(10_000, 30_000), length(1000, 20_000), length(800, 6000), profile, prop::option::of(24_u32..720), stone)
        .prop_map(|(inner_diameter_mm, width_mm, thickness_mm, profile, segments, stone_mm)| RingSpec {
            inner_diameter_mm,
            width_mm,
            thickness_mm,
            profile,
            segments,
            stone_mm,
        })
        .prop_filter("the stone fits", |spec| spec.validate().is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_ring_is_closed_and_faces_outwards(spec in ring()) {
        let measured = measure(&spec.mesh().expect("mesh")).expect("measures");
        prop_assert!(measured.measures.watertight && measured.warnings.is_empty(), "{:?} {:?}", spec, measured.warnings);
        let band = RingSpec { stone_mm: None, ..spec };
        let band = measure(&band.mesh().expect("mesh")).expect("measures").measures.volume_mm3;
        let expected = volume_by_pappus(&spec);
        prop_assert!((band - expected).abs() < 1e-4 * expected, "{band} for {expected}: {spec:?}");
        let setting = measured.measures.volume_mm3 - band;
        prop_assert_eq!(spec.stone_mm.is_some(), setting > 0.5, "{}", setting);
    }

    #[test]
    fn the_canonical_bytes_come_back(spec in ring()) {
        prop_assert_eq!(RingSpec::from_json(&spec.to_json()).expect("json"), spec);
    }

    #[test]
    fn arbitrary_parameters_never_panic(text in "\\{?[a-z_\": 0-9.,{}e-]{0,80}\\}?", numbers: [f64; 4], segments: Option<u32>) {
        let _ = RingSpec::from_json(text.as_bytes());
        let [inner_diameter_mm, width_mm, thickness_mm, stone] = numbers;
        let spec = RingSpec { inner_diameter_mm, width_mm, thickness_mm, profile: Profile::Domed, segments, stone_mm: Some(stone) };
        let _ = spec.mesh();
    }
}

#[test]
fn a_flat_ring_is_close_to_two_cylinders() {
    let volume = measure(&FLAT.mesh().expect("mesh")).expect("measures").measures.volume_mm3;
    let exact = PI * 4.0 * (10.0_f64.powi(2) - 8.5_f64.powi(2));
    assert!((volume - exact).abs() < 1e-3 * exact, "{volume} for {exact}");
}

#[test]
fn the_box_is_the_ring() {
    let size = |spec: RingSpec| measure(&spec.mesh().expect("mesh")).expect("measures").measures.size_mm;
    let near = |a: &[f64], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.01);
    for profile in [Profile::Flat, Profile::Comfort, Profile::Domed] {
        let spec = RingSpec { profile, ..FLAT };
        assert!(near(&size(spec), [20.0, 4.0, 20.0]), "{spec}: {:?}", size(spec));
        // A stone of 5 mm stands 2 mm proud of the band, in a setting 6.6 mm wide.
        let set = RingSpec { stone_mm: Some(5.0), ..spec };
        assert!(near(&size(set), [20.0, 6.6, 22.0]), "{set}: {:?}", size(set));
    }
}

#[test]
fn a_ring_survives_its_stl() {
    let mesh = RingSpec { stone_mm: Some(3.0), ..FLAT }.mesh().expect("mesh");
    assert_eq!(read_stl(&write_stl(&mesh)).expect("stl").mesh, mesh);
}

#[test]
fn the_same_ring_has_the_same_bytes() {
    let text = br#"{ "width_mm": 4, "inner_diameter_mm": 17, "profile": "flat", "thickness_mm": 1.5 }"#;
    let spec = RingSpec::from_json(text).expect("ring");
    assert_eq!(spec, FLAT);
    assert_eq!(spec.to_json(), br#"{"inner_diameter_mm":17.0,"width_mm":4.0,"thickness_mm":1.5,"profile":"flat"}"#);
    assert_eq!(RingSpec { stone_mm: Some(2.5), ..FLAT }.warnings(), [Warning::StoneNotIncluded("2.5".into())]);
}

#[test]
fn errors_name_the_field() {
    let refused = |text: &str| RingSpec::from_json(text.as_bytes()).expect_err("must be refused");
    let ring = |more: &str| format!(r#"{{"inner_diameter_mm":17,"width_mm":4,"thickness_mm":1.5,"profile":"flat"{more}}}"#);
    for (field, text) in [
        ("inner_diameter_mm", ring("").replace("17", "9.9")),
        ("width_mm", ring("").replace(":4", ":-4")),
        ("thickness_mm", ring("").replace("1.5", "0")),
        ("segments", ring(r#","segments":1000000"#)),
        ("stone_mm", ring(r#","stone_mm":12.5"#)),
    ] {
        let error = refused(&text);
        assert_eq!(error.field(), Some(field));
        assert!(error.to_string().starts_with(field), "{error}");
    }
    let wide = RingSpec { inner_diameter_mm: 10.0, thickness_mm: 0.8, stone_mm: Some(11.0), ..FLAT };
    assert!(matches!(wide.validate(), Err(Error::OutOfRange { field: "stone_mm", high, .. }) if high < 10.0));
    for (named, text) in [
        ("colour", ring(r#","colour":1"#)),
        ("oval", ring("").replace("flat", "oval")),
        ("width_mm", ring("").replace("\"width_mm\":4,", "")),
        ("bytes", " ".repeat(5000)),
    ] {
        let error = refused(&text);
        assert!(error.field().is_none() && error.to_string().contains(named), "{error}");
    }
}
