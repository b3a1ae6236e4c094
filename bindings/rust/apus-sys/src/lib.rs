//! The C interface as bindgen reads it from the public header, which is its manual.
#![allow(non_camel_case_types, non_upper_case_globals)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
