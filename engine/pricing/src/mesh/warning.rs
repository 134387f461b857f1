//! What is odd about a mesh without keeping it from being priced. Goes into the quote.

/// Something a seller should know before approving.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Warning {
    /// After the last triangle, or after `endsolid`.
    #[error("{bytes} bytes after the end of the model were ignored")]
    TrailingData { bytes: usize },
    /// Degenerate triangles.
    #[error("{count} faces have no area")]
    ZeroAreaFaces { count: u64 },
    /// The enclosed volume is not defined.
    #[error(
        "the mesh is not watertight ({open_edges} edges do not join exactly two faces): the volume, and with it the price, is not reliable"
    )]
    NotWatertight { open_edges: u64 },
    /// Faces of one shell look to different sides.
    #[error("{edges} edges join faces that look to opposite sides: the volume, and with it the price, is not reliable")]
    MixedOrientation { edges: u64 },
    /// All faces look inwards; the volume is the same.
    #[error("the faces look inwards; the volume was taken as positive")]
    InsideOut,
    /// Closed shells look the other way than the largest one.
    #[error(
        "closed shells look the other way than the largest one: {cavities} were subtracted as cavities, {turned} added as bodies turned \
         inside out; the volume, and with it the price, may not be reliable"
    )]
    OppositeShells { cavities: u64, turned: u64 },
    /// Said by the ring constructor.
    #[error("the price is for the ring with its setting; the stone of {0} mm is not in it")]
    StoneNotIncluded(String),
}
