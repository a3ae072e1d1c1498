//! Update masks: which fields of the caller's object replace those that are there.

use prost_types::FieldMask;

use crate::api::field::Fields;

/// Reads a mask over fields that may change. None: every one of them.
pub fn named<'a>(f: &mut Fields, mask: Option<FieldMask>, known: &[&'a str]) -> Option<Vec<&'a str>> {
    let paths = mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        return Some(known.to_vec());
    }
    f.each("update_mask.paths", paths, 1..=64, |f, path| match known.iter().find(|name| **name == path) {
        Some(name) => Some(*name),
        None => f.refuse("", "names no field that can be changed"),
    })
}

/// Takes over the named fields of one wire message into another.
macro_rules! overlay {
    ($mask:expr, $into:ident <- $from:ident: $($field:ident)*) => {
        for name in $mask {
            match name {
                $(stringify!($field) => $into.$field = $from.$field.clone(),)*
                _ => {}
            }
        }
    };
}

pub(super) use overlay;
