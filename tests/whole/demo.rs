//! The front door: `atelier demo`, in one process and in many.

use std::path::Path;

use atelier_tests::independent;

use crate::roles::House;
use crate::servers::on_servers;

fn balanced(output: &std::process::Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("balanced: nothing is missing"), "{text}");
    text
}

/// The partner was told of everything, and took it.
fn told(text: &str) {
    let number = |after: &str| text.split_once(after).and_then(|(_, rest)| rest.trim_start().split(' ').next()?.trim().parse::<u64>().ok());
    let due = number("webhooks  due ").unwrap_or_else(|| panic!("webhooks are audited: {text}"));
    assert!(due > 0 && number("= delivered ") == Some(due), "{text}");
    let taken = text.lines().find_map(|line| line.strip_prefix("webhooks taken by the partner"));
    assert_eq!(taken.and_then(|count| count.trim().parse().ok()), Some(due), "{text}");
}

/// `commands  accepted 12 = done 11 + failed 1 + open 0` → (12, 11, 1, 0).
fn equation(text: &str, of: &str) -> [u64; 4] {
    let line =
        text.lines().find(|line| line.starts_with(of) && line.contains(" accepted ")).unwrap_or_else(|| panic!("no line {of} in {text}"));
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("four numbers in {line}"))
}

#[test]
fn the_demo_ends_balanced_with_every_order_ended() {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![] };
    let text = balanced(&house.run(&["demo", "--orders", "30", "--seed", "7"]));
    let [accepted, done, failed, open] = equation(&text, "orders");
    assert_eq!((accepted, open), (30, 0), "{text}");
    assert_eq!(done + failed, 30);
    told(&text);
    assert!(done > 20, "most are delivered: {text}");
    let log = atelier_log::embedded::Embedded::open_read_only(&folder.path().join("log")).unwrap();
    let found = independent::check(&log);
    assert_eq!(found.orders.len(), 30);
}

#[test]
fn the_demo_takes_models_of_ones_own_also_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    // Real third-party meshes where the distribution's prusa-slicer is installed.
    if let Ok(shapes) = std::fs::read_dir("/usr/share/PrusaSlicer/shapes") {
        for shape in shapes.flatten().filter(|shape| shape.path().extension().is_some_and(|ending| ending == "stl")) {
            std::fs::copy(shape.path(), models.join(shape.file_name())).unwrap();
        }
    }
    std::fs::write(models.join("cube.stl"), cube(12.0)).unwrap();
    std::fs::write(models.join("truncated.stl"), &cube(12.0).as_bytes()[..300]).unwrap();
    std::fs::write(models.join("unpriced.obj"), "v 0 0 0\n").unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![] };
    let models = models.display().to_string();
    let text = balanced(&house.run(&["demo", "--models", &models, "--orders", "32"]));
    assert!(text.contains("quoted by hand"), "what no worker can price is quoted by a seller: {text}");
    assert_eq!(equation(&text, "orders")[3], 0, "{text}");
}

#[test]
fn the_same_flow_ends_balanced_on_kafka_and_postgresql_in_many_processes() {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: on_servers("demo") };
    let text = balanced(&house.run(&["demo", "--orders", "24", "--separate"]));
    assert_eq!(equation(&text, "orders")[3], 0, "{text}");
    told(&text);
    // The audit as a program of its own, later.
    let audit = house.run(&["audit", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(report["balanced"], true, "{report}");
}

/// An ASCII STL of a cube.
pub(crate) fn cube(side_mm: f64) -> String {
    let corner = |index: usize| [0, 1, 2].map(|axis| if index >> axis & 1 == 1 { side_mm } else { 0.0 });
    let faces = [
        [0, 2, 3],
        [0, 3, 1],
        [4, 5, 7],
        [4, 7, 6],
        [0, 1, 5],
        [0, 5, 4],
        [2, 6, 7],
        [2, 7, 3],
        [0, 4, 6],
        [0, 6, 2],
        [1, 3, 7],
        [1, 7, 5],
    ];
    let mut text = String::from("solid cube\n");
    for face in faces {
        text.push_str("facet normal 0 0 0\nouter loop\n");
        for index in face {
            let [x, y, z] = corner(index);
            text.push_str(&format!("vertex {x} {y} {z}\n"));
        }
        text.push_str("endloop\nendfacet\n");
    }
    text.push_str("endsolid cube\n");
    text
}

/// Where the log of a house on the embedded log lies.
pub(crate) fn log_folder(data: &Path) -> std::path::PathBuf {
    data.join("log")
}
