//! Bodies whose measures are known.

use std::f64::consts::{PI, TAU};
use std::path::Path;

use super::{Measured, measure};
use crate::mesh::{Error, Mesh, Point, Triangle, Warning, read_stl};

fn measured(triangles: Vec<Triangle>) -> Measured {
    measure(&Mesh::new(triangles).expect("mesh")).expect("measures")
}

fn refused(triangles: Vec<Triangle>) -> Error {
    measure(&Mesh::new(triangles).expect("mesh")).expect_err("must be refused")
}

/// A box with one corner at `at`, 12 triangles.
fn block(at: [f32; 3], size: [f32; 3]) -> Vec<Triangle> {
    let corner = |n: usize| -> Point { std::array::from_fn(|axis| at[axis] + if n >> axis & 1 == 1 { size[axis] } else { 0.0 }) };
    let quads = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]];
    quads.into_iter().flat_map(|q| [[q[0], q[1], q[2]], [q[0], q[2], q[3]]]).map(|t| t.map(corner)).collect()
}

/// A grid of points that closes on itself both ways.
fn closed(rows: usize, columns: usize, at: impl Fn(f64, f64) -> [f64; 3]) -> Vec<Triangle> {
    let point = |row: usize, column: usize| {
        let turn = |n: usize, of: usize| TAU * (n % of) as f64 / of as f64;
        at(turn(row, rows), turn(column, columns)).map(|c| c as f32)
    };
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    cells
        .flat_map(|(r, c)| {
            let (a, b, d, e) = (point(r, c), point(r + 1, c), point(r + 1, c + 1), point(r, c + 1));
            [[a, b, d], [a, d, e]]
        })
        .collect()
}

fn torus(big: f64, small: f64, shift: f64) -> Vec<Triangle> {
    closed(240, 120, |u, v| {
        let r = big + small * v.cos();
        [shift + r * u.cos(), shift + r * u.sin(), shift + small * v.sin()]
    })
}

fn close(a: f64, b: f64, share: f64) {
    assert!((a - b).abs() <= share * b.abs(), "{a} is not within {share} of {b}");
}

#[test]
fn a_block_is_exact() {
    let block = measured(block([-1.0, 2.0, 0.5], [2.0, 3.0, 4.0]));
    close(block.measures.volume_mm3, 24.0, 1e-12);
    close(block.measures.area_mm2, 52.0, 1e-12);
    assert_eq!(block.measures.size_mm, [2.0, 3.0, 4.0]);
    assert_eq!((block.measures.triangles, block.measures.watertight), (12, true));
    assert_eq!(block.warnings, []);
}

#[test]
fn a_torus_is_close_to_its_formula_also_far_from_the_origin() {
    let (big, small) = (10.0_f64, 2.0_f64);
    for shift in [0.0, 4096.0] {
        let torus = measured(torus(big, small, shift));
        close(torus.measures.volume_mm3, 2.0 * PI * PI * big * small * small, 1e-3);
        close(torus.measures.area_mm2, 4.0 * PI * PI * big * small, 1e-3);
        assert!(torus.measures.watertight);
        assert_eq!(torus.warnings, []);
    }
}

#[test]
fn a_sphere_with_collapsed_poles_is_watertight() {
    let (rows, columns, radius) = (60, 120, 5.0_f64);
    let point = |row: usize, column: usize| -> Point {
        let (polar, around) = (PI * row as f64 / rows as f64, TAU * (column % columns) as f64 / columns as f64);
        // The poles are one point each, and so the quads there collapse to triangles with an edge of no length.
        let ring = if row == 0 || row == rows { 0.0 } else { radius * polar.sin() };
        [ring * around.cos(), ring * around.sin(), radius * polar.cos()].map(|c| c as f32)
    };
    let cells = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c)));
    let triangles = cells.flat_map(|(r, c)| {
        let (a, b, d, e) = (point(r, c), point(r + 1, c), point(r + 1, c + 1), point(r, c + 1));
        [[a, b, d], [a, d, e]]
    });
    let sphere = measured(triangles.collect());
    close(sphere.measures.volume_mm3, 4.0 / 3.0 * PI * radius.powi(3), 3e-3);
    close(sphere.measures.area_mm2, 4.0 * PI * radius.powi(2), 3e-3);
    assert!(sphere.measures.watertight, "{:?}", sphere.warnings);
    assert_eq!(sphere.warnings, [Warning::ZeroAreaFaces { count: 240 }]);
}

#[test]
fn minus_zero_is_zero() {
    let mut triangles = block([0.0; 3], [1.0; 3]);
    for coordinate in triangles[3].as_flattened_mut() {
        if *coordinate == 0.0 {
            *coordinate = -0.0;
        }
    }
    assert!(measured(triangles).measures.watertight);
}

#[test]
fn holes_extra_faces_and_turned_faces_are_told() {
    let whole = block([0.0; 3], [10.0; 3]);
    let hole = measured(whole[1..].to_vec());
    assert!(!hole.measures.watertight);
    assert_eq!(hole.warnings, [Warning::NotWatertight { open_edges: 3 }]);
    let mut extra = whole.clone();
    extra.push(whole[0]);
    assert_eq!(measured(extra).warnings, [Warning::NotWatertight { open_edges: 3 }]);
    let mut turned = whole.clone();
    turned[0].swap(0, 1);
    assert_eq!(measured(turned).warnings, [Warning::MixedOrientation { edges: 3 }]);
    let inside_out: Vec<Triangle> = whole.iter().map(|[a, b, c]| [*a, *c, *b]).collect();
    let inside_out = measured(inside_out);
    assert_eq!(inside_out.warnings, [Warning::InsideOut]);
    close(inside_out.measures.volume_mm3, 1000.0, 1e-12);
    // Nearly the same corner is not the same corner.
    let mut gap = whole;
    gap[0][0] = gap[0][0].map(|c| c + 1e-6);
    assert!(!measured(gap).measures.watertight);
}

fn inside_out(body: Vec<Triangle>) -> Vec<Triangle> {
    body.into_iter().map(|[a, b, c]| [a, c, b]).collect()
}

#[test]
fn a_body_turned_inside_out_is_not_taken_off_the_others() {
    let side = 19.5_f32;
    let volume_mm3 = 8000.0 + f64::from(side).powi(3);
    // Away from the other one, and touching it in a corner.
    for at in [50.0, 20.0] {
        let whole = [block([0.0; 3], [20.0; 3]), inside_out(block([at; 3], [side; 3]))].concat();
        let both = measured(whole.clone());
        close(both.measures.volume_mm3, volume_mm3, 1e-12);
        assert!(both.measures.watertight);
        assert_eq!(both.warnings, [Warning::OppositeShells { cavities: 0, turned: 1 }]);
        // The larger one says which way is out.
        let other_way = measured(inside_out(whole));
        close(other_way.measures.volume_mm3, volume_mm3, 1e-12);
        assert_eq!(other_way.warnings, [Warning::InsideOut, Warning::OppositeShells { cavities: 0, turned: 1 }]);
    }
    // A face without an area and two that lie upon each other join no bodies.
    let (near, here, far) = ([20.0, 20.0, 0.0], [20.0, 0.0, 20.0], [50.0; 3]);
    let bridges = vec![[near, near, far], [near, here, far], [near, far, here]];
    let bridged = measured([block([0.0; 3], [20.0; 3]), inside_out(block(far, [side; 3])), bridges].concat());
    close(bridged.measures.volume_mm3, volume_mm3, 1e-12);
    assert_eq!(bridged.warnings, [Warning::ZeroAreaFaces { count: 1 }, Warning::OppositeShells { cavities: 0, turned: 1 }]);
}

#[test]
fn a_cavity_is_taken_off_and_told() {
    let hollow = [block([0.0; 3], [20.0; 3]), inside_out(block([5.0; 3], [10.0; 3]))].concat();
    // With a body in the cavity, and one beside it all.
    let more = [hollow.clone(), block([9.0; 3], [2.0; 3]), block([30.0; 3], [1.0; 3])].concat();
    for (triangles, volume_mm3) in [(hollow, 7000.0), (more, 7009.0)] {
        let measured = measured(triangles);
        close(measured.measures.volume_mm3, volume_mm3, 1e-12);
        assert_eq!(measured.warnings, [Warning::OppositeShells { cavities: 1, turned: 0 }]);
    }
    assert_eq!(measured([block([0.0; 3], [20.0; 3]), block([30.0; 3], [1.0; 3])].concat()).warnings, []);
}

#[test]
fn what_is_no_body_is_refused() {
    let flat: Vec<Triangle> = block([0.0; 3], [10.0, 10.0, 0.0]);
    assert_eq!(refused(flat), Error::ZeroVolume { triangles: 12 });
    let (a, b, c) = ([0.0, 0.0, 7.0], [3.0, 0.0, 7.0], [0.0, 3.0, 7.0]);
    assert_eq!(refused(vec![[a, b, c]]), Error::ZeroVolume { triangles: 1 });
    for size in [0.09, 1000.1, 1e30] {
        let error = refused(block([0.0; 3], [size, size / 2.0, size / 2.0]));
        assert!(matches!(error, Error::ImplausibleBox { .. }), "{error}");
        assert!(error.to_string().contains("check that it was exported in millimetres"), "{error}");
    }
    assert_eq!(refused(vec![[a, a, a]]), Error::ImplausibleBox { size_mm: [0.0; 3] });
    measured(block([0.0; 3], [1000.0, 1.0, 1.0]));
    measured(block([0.0; 3], [0.11, 0.05, 0.05]));
}

/// Measures of real files, taken with another program (trimesh 4): triangles, watertight, mm³, mm².
#[test]
fn real_files_measure_what_others_measure() {
    let folder = Path::new("/usr/share/PrusaSlicer/shapes");
    for (file, triangles, watertight, volume_mm3, area_mm2) in REAL {
        let Ok(bytes) = std::fs::read(folder.join(file)) else {
            eprintln!("skipped: {file} of the distribution's prusa-slicer is not installed");
            continue;
        };
        let loaded = read_stl(&bytes).expect("stl");
        let Measured { measures, .. } = measure(&loaded.mesh).expect("measures");
        assert_eq!((measures.triangles, measures.watertight), (triangles, watertight), "{file}");
        close(measures.volume_mm3, volume_mm3, 1e-6);
        close(measures.area_mm2, area_mm2, 1e-6);
    }
}

#[rustfmt::skip]
const REAL: [(&str, i64, bool, f64, f64); 6] = [
    ("torus.stl", 3072, true, 1_791.816_332_452_863, 1_273.793_862_150_706),
    ("sphere.stl", 1224, true, 15_401.570_078_116_67, 2_999.949_151_190_914),
    ("cone.stl", 510, true, 5_203.651_171_220_461, 1_895.740_910_990_737),
    ("M3_hex_nut.stl", 620, true, 46.790_176_810_953_34, 84.212_054_128_187_77),
    ("M3x10_screw.stl", 15_532, true, 125.774_193_034_953_4, 236.655_245_349_844_3),
    ("bunny.stl", 292, true, 273_280.033_741_966_4, 29_490.715_496_607_3),
];
