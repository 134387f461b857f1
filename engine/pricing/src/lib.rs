//! From the bytes of a model to a price that can be explained and computed again.
//!
//! * [`mesh`]: readers with hard limits, and a writer;
//! * [`measure`]: volume, area, box, watertight or not;
//! * [`ring`]: the ring constructor, whose parameters are a model too;
//! * [`preview`]: a picture of the mesh;
//! * [`book`]: the versioned price book and the price;
//! * [`model`]: all of it in one call, a pure function of the bytes, the item and the book;
//! * [`worker`]: the process that takes pricing jobs from the log and answers them.
//!
//! Everything but the worker is pure: no clock, no randomness, no I/O. The same bytes, item and book
//! give the same quote, line by line.

pub mod book;
pub mod failure;
pub mod measure;
pub mod mesh;
pub mod model;
pub mod preview;
pub mod ring;
pub mod worker;

pub use book::PriceBook;
pub use failure::{Failure, Kind};
pub use mesh::{Mesh, write_stl};
pub use ring::RingSpec;
pub use worker::{Worker, WorkerConfig, WorkerHandle};

/// Name and version of the measuring and pricing code, stored with every quote. Raise it whenever the
/// same model, item and book would give another price.
pub const ALGORITHM: &str = "atelier-measure-2/price-1";
