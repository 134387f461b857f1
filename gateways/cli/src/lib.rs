//! What `atelier chaos` and the fault tests of the workspace have in common. The program itself is `main.rs`.

pub mod trials;
