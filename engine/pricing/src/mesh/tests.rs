//! The readers on good, bad and hostile files.

use proptest::prelude::*;

use super::{Error, MAX_BYTES, MAX_TRIANGLES, Mesh, Triangle, Warning, read_stl, write_stl};

/// A tetrahedron of 1/6 mm³.
pub(crate) fn tetrahedron() -> Vec<Triangle> {
    let (o, x, y, z) = ([0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
    vec![[o, y, x], [o, x, z], [o, z, y], [x, y, z]]
}

fn binary(triangles: Vec<Triangle>) -> Vec<u8> {
    write_stl(&Mesh::new(triangles).expect("mesh"))
}

fn ascii(triangles: &[Triangle]) -> String {
    let mut text = "solid a name facet endsolid\n".to_owned();
    for triangle in triangles {
        text += "  facet normal 0 0 0\n    outer loop\n";
        for [x, y, z] in triangle {
            text += &format!("      vertex {x} {y:e} {z:.9}\n");
        }
        text += "    endloop\n  endfacet\n";
    }
    text + "endsolid a name facet endsolid\n"
}

fn refused(bytes: &[u8]) -> Error {
    read_stl(bytes).expect_err("must be refused")
}

#[test]
fn both_kinds_give_the_same_mesh() {
    let from_binary = read_stl(&binary(tetrahedron())).expect("binary");
    assert_eq!(from_binary.mesh.triangles(), tetrahedron());
    assert_eq!(from_binary.warnings, []);
    let text = ascii(&tetrahedron());
    for text in [
        text.clone(),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\r"),
        text.to_uppercase(),
        format!("\u{feff}\n\n{text}\n \n"),
        text.replace(' ', "\t"),
    ] {
        assert_eq!(read_stl(text.as_bytes()).expect("ascii"), from_binary, "{text}");
    }
    let two = ascii(&tetrahedron()[..2]) + &ascii(&tetrahedron()[2..]);
    assert_eq!(read_stl(two.as_bytes()).expect("two solids"), from_binary);
}

#[test]
fn a_binary_file_may_start_with_solid() {
    let mut bytes = binary(tetrahedron());
    bytes[..80].fill(b' ');
    bytes[..27].copy_from_slice(b"solid exported facet normal");
    assert_eq!(read_stl(&bytes).expect("binary").mesh.triangles(), tetrahedron());
    bytes.truncate(bytes.len() - 50);
    assert_eq!(refused(&bytes), Error::LyingCount { said: 4, holds: 3 });
}

#[test]
fn binary_files_that_lie_or_are_cut() {
    let whole = binary(tetrahedron());
    assert_eq!(refused(&whole[..whole.len() - 100]), Error::LyingCount { said: 4, holds: 2 });
    assert_eq!(refused(&whole[..whole.len() - 1]), Error::TruncatedBinary { said: 4, holds: 3 });
    assert_eq!(refused(&whole[..83]), Error::NotStl);
    let mut lying = whole.clone();
    lying[80..84].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = refused(&lying);
    assert_eq!(error, Error::LyingCount { said: u32::MAX, holds: 4 });
    assert!(error.to_string().contains("says 4294967295 triangles but the file holds 4"), "{error}");
    let trailing = read_stl(&[whole.as_slice(), b"comment"].concat()).expect("mesh");
    assert_eq!(trailing.warnings, [Warning::TrailingData { bytes: 7 }]);
    lying[80..84].copy_from_slice(&2_u32.to_le_bytes());
    let fewer = read_stl(&lying).expect("mesh");
    assert_eq!((fewer.mesh.triangles().len(), &fewer.warnings[..]), (2, &[Warning::TrailingData { bytes: 100 }][..]));
}

#[test]
fn ascii_files_that_are_cut_or_wrong() {
    let text = ascii(&tetrahedron());
    let cut = &text[..text.find("endfacet").expect("facet")];
    assert_eq!(refused(cut.as_bytes()), Error::TruncatedAscii { line: 8, expected: "\"endfacet\"" });
    let no_end = text.replace("endsolid", "").replace("facet \n", "");
    assert!(matches!(refused(no_end.as_bytes()), Error::TruncatedAscii { .. } | Error::Syntax { .. }));
    let wrong = text.replacen("vertex 0", "vertex zero", 1);
    let error = refused(wrong.as_bytes());
    assert!(error.to_string().starts_with("line 4: expected \"vertex\" with three numbers, found \"vertex zero"), "{error}");
    for end in ["\r", "\r\n"] {
        assert_eq!(refused(wrong.replace('\n', end).as_bytes()), error, "lines are counted the same");
    }
    for (from, to) in [("outer loop\n", "\n"), ("endloop", "vertex 1 2 3"), ("vertex 0", "vertex 0 0"), ("facet normal", "face")] {
        let error = refused(text.replacen(from, to, 1).as_bytes());
        assert!(matches!(error, Error::Syntax { .. }), "{from}: {error}");
    }
    let after = read_stl((text + "and a comment").as_bytes()).expect("mesh");
    assert_eq!(after.warnings, [Warning::TrailingData { bytes: 14 }]);
}

#[test]
fn coordinates_must_be_finite() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut triangles = tetrahedron();
        triangles[2][1][0] = value;
        assert_eq!(refused(ascii(&triangles).as_bytes()), Error::NotFinite { triangle: 3 });
        let mut bytes = binary(tetrahedron());
        bytes[84 + 2 * 50 + 12 + 12..][..4].copy_from_slice(&value.to_le_bytes());
        let error = refused(&bytes);
        assert_eq!(error, Error::NotFinite { triangle: 3 });
        assert!(error.to_string().starts_with("triangle 3 "));
    }
    let huge = ascii(&tetrahedron()).replacen("vertex 0", "vertex 1e39", 1);
    assert_eq!(refused(huge.as_bytes()), Error::NotFinite { triangle: 1 });
}

#[test]
fn empty_and_foreign_files() {
    let mut none = binary(tetrahedron());
    none.truncate(84);
    none[80..84].fill(0);
    for bytes in [&b""[..], b" \r\n\t", b"solid x\nendsolid x\n", &none] {
        assert_eq!(refused(bytes), Error::Empty);
    }
    for bytes in [&b"PK\x03\x04 a zip archive"[..], b"ISO-10303-21;", b"soli"] {
        assert_eq!(refused(bytes), Error::NotStl);
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let most = vec![tetrahedron()[3]; MAX_TRIANGLES];
    let mut bytes = binary(most.clone());
    assert_eq!(read_stl(&bytes).expect("at the limit").mesh.triangles().len(), MAX_TRIANGLES);
    let last = bytes[84..134].to_vec();
    bytes.extend(last);
    bytes[80..84].copy_from_slice(&(MAX_TRIANGLES as u32 + 1).to_le_bytes());
    assert_eq!(refused(&bytes), Error::TooManyTriangles { triangles: MAX_TRIANGLES as u64 + 1 });
    assert_eq!(refused(&vec![0; MAX_BYTES + 1]), Error::TooLarge { size_bytes: MAX_BYTES + 1 });
    let short = "facet\nouter\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n";
    let text = format!("solid\n{}endsolid", short.repeat(MAX_TRIANGLES / 2));
    assert_eq!(read_stl(text.as_bytes()).expect("many lines").mesh.triangles().len(), MAX_TRIANGLES / 2);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        if let Ok(loaded) = read_stl(&bytes) {
            prop_assert!(loaded.mesh.triangles().len() * 50 <= bytes.len());
        }
    }

    #[test]
    fn arbitrary_words_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "solid", "facet normal 0 0 1", "outer loop", "vertex 0 0 0", "vertex 1e9 -2 nan", "endloop", "endfacet", "endsolid", "\n", "\r", "x",
    ]), 0..60)) {
        let text = format!("solid\n{}", words.join("\n"));
        if let Ok(loaded) = read_stl(text.as_bytes()) {
            prop_assert!(loaded.mesh.triangles().len() <= words.len());
        }
    }

    #[test]
    fn a_damaged_file_never_panics(at in 0_usize..300, value: u8, cut in 0_usize..285) {
        let mut bytes = binary(tetrahedron());
        let at = at % bytes.len();
        bytes[at] = value;
        let _ = read_stl(&bytes[..cut.min(bytes.len())]);
        let _ = read_stl(&bytes);
    }

    #[test]
    fn whatever_is_written_is_read_again(triangles in prop::collection::vec(prop::array::uniform3(prop::array::uniform3(-1e6_f32..1e6)), 1..40)) {
        let loaded = read_stl(&binary(triangles.clone())).expect("binary");
        prop_assert_eq!(loaded.mesh.triangles(), triangles.as_slice());
        let plain = format!("solid\n{}endsolid", triangles.iter().map(|t| {
            let v = t.map(|[x, y, z]| format!("vertex {x} {y} {z}\n")).concat();
            format!("facet\nouter\n{v}endloop\nendfacet\n")
        }).collect::<String>());
        prop_assert_eq!(read_stl(plain.as_bytes()).expect("ascii").mesh, loaded.mesh);
    }
}
