//! The datum of a record, written without looking anything up.
//!
//! The types of this crate have their fields and branches in the order of their schemas, an `int` is an `i32` and a `long` an
//! `i64`, and what is optional is a union of null and one other branch. So what serde tells of a value is all there is to know.
//! serde_avro_fast, which reads what is written here, would find each field and branch by its name: two fifths of what an
//! engine does to decide a command. Tests hold both to the same bytes. Source: Apache Avro 1.12 specification, "Binary
//! Encoding".

use serde::de::value::Error;
use serde::ser::{Error as _, Impossible, Serialize, SerializeSeq, SerializeStruct, SerializeStructVariant, Serializer};

/// Writes `record` behind what `bytes` hold.
///
/// # Errors
/// When a type says something that no schema here has a place for, which the tests of this crate rule out.
pub(crate) fn write(record: &impl Serialize, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    let mut datum = Datum(bytes);
    record.serialize(&mut datum)?;
    Ok(datum.0)
}

struct Datum(Vec<u8>);

impl Datum {
    /// Zigzag, seven bits a byte, the lowest first.
    fn long(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest > 0x7f {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    fn length(&mut self, length: usize) -> Result<(), Error> {
        self.long(i64::try_from(length).map_err(Error::custom)?);
        Ok(())
    }
}

fn no_place(what: &str) -> Error {
    Error::custom(format_args!("no schema has a place for {what}"))
}

macro_rules! no_place_for {
    ($($method:ident($type:ty))+) => {$(
        fn $method(self, _: $type) -> Result<(), Error> {
            Err(no_place(stringify!($type)))
        }
    )+};
}

impl Serializer for &mut Datum {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.0.push(value.into());
        Ok(())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.long(value);
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.0.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.length(value.len())?;
        self.0.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_i64(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.long(1);
        value.serialize(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: &'static str, branch: u32, _: &'static str, _: usize) -> Result<Self, Error> {
        self.long(branch.into());
        Ok(self)
    }

    /// One block with everything, and one with nothing, which ends it.
    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Error> {
        match length {
            Some(0) => {}
            Some(length) => self.length(length)?,
            None => return Err(no_place("a list whose length is not known beforehand")),
        }
        Ok(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    no_place_for! { serialize_i8(i8) serialize_i16(i16) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) }
    no_place_for! { serialize_f32(f32) serialize_char(char) serialize_bytes(&[u8]) }

    fn serialize_unit(self) -> Result<(), Error> {
        Err(no_place("a unit"))
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Error> {
        Err(no_place(name))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), Error> {
        Err(no_place(name))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, name: &'static str, _: &T) -> Result<(), Error> {
        Err(no_place(name))
    }

    fn serialize_tuple(self, _: usize) -> Result<Impossible<(), Error>, Error> {
        Err(no_place("a tuple"))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Impossible<(), Error>, Error> {
        Err(no_place(name))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<Impossible<(), Error>, Error> {
        Err(no_place(name))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Impossible<(), Error>, Error> {
        Err(no_place("a map"))
    }
}

macro_rules! fields_in_order {
    ($($of:ident)+) => {$(
        impl $of for &mut Datum {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Error> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )+};
}
fields_in_order! { SerializeStruct SerializeStructVariant }

impl SerializeSeq for &mut Datum {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Error> {
        self.long(0);
        Ok(())
    }
}
