//! Tests of the aggregate: the walk, the rules one by one, and what holds for any history.

mod deadlines;
mod lifecycle;
mod properties;
mod rules;
mod sandbox;
mod terms;
