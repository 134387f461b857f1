//! A picture of a mesh: flat shading and a z-buffer in software, seen from the front right above.
//!
//! The work is bounded whatever the mesh looks like: a picture is given up unfinished once
//! [`MAX_PIXEL_TESTS`] are used, which no mesh reaches whose faces do not lie behind each other by the
//! hundred.

use crate::measure::vector::{Vector, cross, dot, length, scale, sub, wide};
use crate::mesh::Mesh;

/// Width and height of the pictures the worker stores.
pub const SIZE_PX: u32 = 512;
/// Larger pictures are not drawn.
pub const MAX_SIZE_PX: u32 = 1024;
/// Each pixel is the mean of this many squared.
const SAMPLES: u32 = 2;
/// About half a second of work.
const MAX_PIXEL_TESTS: u64 = 400_000_000;
/// Room around the model, as a share of the picture.
const MARGIN: f64 = 0.06;
/// Towards the viewer: isometric, front right above.
const TO_VIEWER: Vector = [0.45, -0.75, 0.48];
/// Towards the light: over the viewer's left shoulder.
const TO_LIGHT: Vector = [-0.25, -0.6, 0.76];
/// Metal without a colour of its own; the same model is made in several.
const METAL: Vector = [214.0, 216.0, 222.0];

/// Draws the mesh as a square PNG (RGBA, transparent around the model) of `size_px`, at most
/// [`MAX_SIZE_PX`].
pub fn render(mesh: &Mesh, size_px: u32) -> Vec<u8> {
    let size_px = size_px.clamp(16, MAX_SIZE_PX);
    let canvas = draw(mesh, size_px * SAMPLES);
    encode(&canvas.downsample(size_px), size_px)
}

/// A shade (0 to 1) and a depth per sample; shade below 0 where nothing was drawn.
struct Canvas {
    side: usize,
    shade: Vec<f32>,
    depth: Vec<f32>,
}

fn draw(mesh: &Mesh, side_px: u32) -> Canvas {
    let side = side_px as usize;
    let mut canvas = Canvas { side, shade: vec![-1.0; side * side], depth: vec![f32::NEG_INFINITY; side * side] };
    let view = View::onto(mesh, f64::from(side_px));
    let light = scale(TO_LIGHT, 1.0 / length(TO_LIGHT));
    let mut tests_left = MAX_PIXEL_TESTS;
    for triangle in mesh.triangles() {
        let corners = triangle.map(wide);
        let normal = cross(sub(corners[1], corners[0]), sub(corners[2], corners[0]));
        let size = length(normal);
        if size == 0.0 {
            continue;
        }
        // Both sides are lit: the faces of a bad mesh look anywhere.
        let facing = dot(normal, light).abs() / size;
        let glint = (dot(normal, view.toward).abs() / size).powi(24);
        let shade = 0.34 + 0.54 * facing + 0.12 * glint;
        canvas.fill(corners.map(|corner| view.project(corner)), shade as f32, &mut tests_left);
        if tests_left == 0 {
            break;
        }
    }
    canvas
}

/// Where a point of the model lies in the picture.
struct View {
    right: Vector,
    up: Vector,
    toward: Vector,
    middle: Vector,
    px_per_mm: f64,
    side_px: f64,
}

impl View {
    fn onto(mesh: &Mesh, side_px: f64) -> Self {
        let toward = scale(TO_VIEWER, 1.0 / length(TO_VIEWER));
        let right = cross([0.0, 0.0, 1.0], toward);
        let right = scale(right, 1.0 / length(right));
        let up = cross(toward, right);
        let (low, high) = mesh.bounds();
        let middle = scale([low[0] + high[0], low[1] + high[1], low[2] + high[2]], 0.5);
        let radius_mm = mesh.triangles().iter().flatten().map(|p| {
            let from_middle = sub(wide(*p), middle);
            dot(from_middle, right).abs().max(dot(from_middle, up).abs())
        });
        let radius_mm = radius_mm.fold(f64::MIN_POSITIVE, f64::max);
        Self { right, up, toward, middle, px_per_mm: side_px * (0.5 - MARGIN) / radius_mm, side_px }
    }

    /// x to the right, y down, z towards the viewer.
    fn project(&self, point: Vector) -> Vector {
        let p = scale(sub(point, self.middle), self.px_per_mm);
        [self.side_px / 2.0 + dot(p, self.right), self.side_px / 2.0 - dot(p, self.up), dot(p, self.toward)]
    }
}

impl Canvas {
    fn fill(&mut self, [a, b, c]: [Vector; 3], shade: f32, tests_left: &mut u64) {
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if area == 0.0 || !area.is_finite() {
            return;
        }
        let range = |axis: usize| {
            let low = a[axis].min(b[axis]).min(c[axis]).floor().max(0.0) as usize;
            let high = a[axis].max(b[axis]).max(c[axis]).ceil().max(0.0) as usize;
            low..high.min(self.side)
        };
        let (columns, rows) = (range(0), range(1));
        *tests_left = tests_left.saturating_sub((columns.len() * rows.len()) as u64);
        for row in rows {
            for column in columns.clone() {
                let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
                // Barycentric weights: how much of each corner there is at this sample.
                let wb = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area;
                let wc = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area;
                if wb < 0.0 || wc < 0.0 || wb + wc > 1.0 {
                    continue;
                }
                let depth = (a[2] + wb * (b[2] - a[2]) + wc * (c[2] - a[2])) as f32;
                let at = row * self.side + column;
                if depth > self.depth[at] {
                    self.depth[at] = depth;
                    self.shade[at] = shade;
                }
            }
        }
    }

    fn downsample(&self, size_px: u32) -> Vec<u8> {
        let (size, step) = (size_px as usize, SAMPLES as usize);
        let mut rgba = Vec::with_capacity(size * size * 4);
        for (row, column) in (0..size).flat_map(|row| (0..size).map(move |column| (row, column))) {
            let samples = (0..step * step).map(|n| self.shade[(row * step + n / step) * self.side + column * step + n % step]);
            let (sum, count) = samples.filter(|s| *s >= 0.0).fold((0.0, 0), |(sum, count), s| (sum + s, count + 1));
            let shade = f64::from(sum) / f64::from(count.max(1));
            rgba.extend(METAL.map(|channel| (channel * shade).clamp(0.0, 255.0) as u8));
            rgba.push((255 * count / (SAMPLES * SAMPLES)) as u8);
        }
        rgba
    }
}

fn encode(rgba: &[u8], size_px: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, size_px, size_px);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("a picture has a size and memory takes it");
    writer.write_image_data(rgba).expect("four bytes per pixel");
    writer.finish().expect("memory takes it");
    out
}

#[cfg(test)]
mod tests {
    use super::{MAX_SIZE_PX, SIZE_PX, render};
    use crate::mesh::{MAX_TRIANGLES, Mesh};
    use crate::ring::{Profile, RingSpec};

    fn ring() -> Mesh {
        let spec = RingSpec {
            inner_diameter_mm: 17.0,
            width_mm: 5.0,
            thickness_mm: 2.0,
            profile: Profile::Domed,
            segments: None,
            stone_mm: Some(5.0),
        };
        spec.mesh().expect("ring")
    }

    fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("png");
        let mut pixels = vec![0; reader.output_buffer_size().expect("bounded")];
        let info = reader.next_frame(&mut pixels).expect("frame");
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_ring_is_seen_with_a_hole_in_it() {
        let png = render(&ring(), SIZE_PX);
        let (width, height, pixels) = decode(&png);
        assert_eq!((width, height), (SIZE_PX, SIZE_PX));
        let drawn = pixels.chunks_exact(4).filter(|p| p[3] > 0).count();
        assert!((20_000..200_000).contains(&drawn), "{drawn} of 262144 pixels drawn");
        let shades: std::collections::BTreeSet<u8> = pixels.chunks_exact(4).filter(|p| p[3] == 255).map(|p| p[0]).collect();
        assert!(shades.len() > 20, "flat shading shows the faces: {} shades", shades.len());
        assert_eq!(png, render(&ring(), SIZE_PX), "the same mesh gives the same bytes");
    }

    #[test]
    fn the_nearer_face_hides_the_farther_one() {
        // Two squares across the view; the far one is darker because it is turned from the light.
        let square = |y: f32, lift: f32| {
            let (a, b, c, d) = ([-5.0, y, -5.0], [5.0, y, -5.0], [5.0, y + lift, 5.0], [-5.0, y + lift, 5.0]);
            [[a, b, c], [a, c, d]]
        };
        let (near, far) = (square(-3.0, 0.0), square(4.0, 1.5));
        let middle = |triangles: Vec<_>| {
            let (width, _, pixels) = decode(&render(&Mesh::new(triangles).expect("mesh"), 64));
            pixels[((32 * width + 32) * 4) as usize]
        };
        let in_order = middle([near, far].concat());
        assert_eq!(in_order, middle([far, near].concat()), "the order of the faces does not matter");
    }

    #[test]
    fn hostile_meshes_end() {
        let (size, _, _) = decode(&render(&ring(), u32::MAX));
        assert_eq!(size, MAX_SIZE_PX);
        // Each face fills the picture: without a budget, 10^12 tests.
        let sheet = [[-5.0, 0.0, -5.0], [5.0, 0.0, -5.0], [0.0, 0.1, 5.0]];
        render(&Mesh::new(vec![sheet; MAX_TRIANGLES]).expect("mesh"), SIZE_PX);
        let far = [[f32::MAX, 0.0, 0.0], [0.0, f32::MIN, 0.0], [0.0, 0.0, 1e-40]];
        render(&Mesh::new(vec![far]).expect("mesh"), SIZE_PX);
    }
}
