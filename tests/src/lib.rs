//! Tests of the whole live in `whole/`: architecture, the demo end to end, crashes of real processes,
//! the command line. They drive the binary; build it first (`./test` does). Here is what judges them.

pub mod independent;
