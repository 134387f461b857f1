//! What the customers want made: generated rings as true STL files, or a folder of the user's own.

use std::path::Path;

use atelier_pricing::{RingSpec, write_stl};
use serde_json::{Value, json};

use crate::Failure;

/// Different rings generated; they are ordered again and again.
const RINGS: usize = 12;
/// Files taken from a folder at most.
const FILES_MAX: usize = 500;
/// As the gateway has it.
const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// How a customer says what is to be made.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// A file.
    File {
        /// For the progress line.
        name: String,
        /// `model/stl` and the like.
        content_type: &'static str,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The ring constructor.
    Ring(Value),
}

/// All wishes of a run.
#[derive(Clone, Debug)]
pub(super) struct Models {
    wishes: Vec<Wish>,
    place: String,
}

/// The files of `folder`, or generated rings.
///
/// # Errors
/// Names the folder where it cannot be read or holds no model.
pub(super) fn gather(folder: Option<&Path>, seed: u64) -> Result<Models, Failure> {
    match folder {
        Some(folder) => from_folder(folder),
        None => generated(seed),
    }
}

fn from_folder(folder: &Path) -> Result<Models, Failure> {
    let unreadable = |error: std::io::Error| format!("cannot read the models in {}: {error}; correct --models", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    let mut wishes = Vec::new();
    for path in paths {
        let Some(content_type) = path.extension().and_then(|ending| ending.to_str()).and_then(content_type) else { continue };
        let size = std::fs::metadata(&path).map_err(unreadable)?.len();
        if size > FILE_MAX_BYTES || wishes.len() >= FILES_MAX {
            println!("passed over {} ({size} bytes)", path.display());
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        wishes.push(Wish::File { name, content_type, bytes: std::fs::read(&path).map_err(unreadable)? });
    }
    if wishes.is_empty() {
        return Err(format!("{} holds no .stl, .obj or .3mf file; correct --models", folder.display()).into());
    }
    Ok(Models { place: format!("{} model files in {}", wishes.len(), folder.display()), wishes })
}

fn content_type(ending: &str) -> Option<&'static str> {
    match ending.to_ascii_lowercase().as_str() {
        "stl" => Some("model/stl"),
        "obj" => Some("model/obj"),
        "3mf" => Some("model/3mf"),
        _ => None,
    }
}

fn generated(seed: u64) -> Result<Models, Failure> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut wishes = Vec::new();
    for number in 0..RINGS {
        let profile = ["flat", "comfort", "domed"][number % 3];
        let tenth = |random: &mut fastrand::Rng, low: i32, high: i32| f64::from(random.i32(low..=high)) / 10.0;
        let spec = json!({
            "inner_diameter_mm": tenth(&mut random, 150, 220),
            "width_mm": tenth(&mut random, 20, 80),
            "thickness_mm": tenth(&mut random, 12, 28),
            "profile": profile,
        });
        // Every third ring comes from the constructor of the shop, the others as files.
        if number % 3 == 2 {
            wishes.push(Wish::Ring(spec));
        } else {
            let ring = RingSpec::from_json(spec.to_string().as_bytes())?;
            wishes.push(Wish::File { name: format!("ring-{number}.stl"), content_type: "model/stl", bytes: write_stl(&ring.mesh()?) });
        }
    }
    Ok(Models { place: format!("{RINGS} generated rings"), wishes })
}

impl Models {
    pub(super) fn describe(&self) -> &str {
        &self.place
    }

    /// What customer number `n` wants.
    pub(super) fn wish(&self, n: u32) -> &Wish {
        &self.wishes[n as usize % self.wishes.len()]
    }
}
