//! From a request to checked values. Whatever does not fit is refused here, in the one shape, with
//! the name of the field, header or parameter and what to do about it.

mod body;
mod path;
mod query;
mod staff;
mod terms;

pub(crate) use body::{
    Json, JsonOrNothing, Nothing, announced_bytes, expect_json, object, optional_object, parse as parse_json, read_all, read_within,
};
pub(crate) use path::{CommandId, CommandPath, OrderId, OrderPath};
pub(crate) use query::{NoParams, Query};
pub(crate) use staff::{Admin, AnyStaff, Bench, Sales};
pub(crate) use terms::{CommandParams, CreateKey, CreateParams, KeylessParams, OnceKey, OnceParams, PlainParams, Terms};
