//! The traversal of all strings of a content that may hold placeholders: finding,
//! filling and checking placeholders use the same one.

use serde_json::Value;

/// A part of a content that holds texts.
pub(crate) trait Strings {
    /// Shows every text to `visit`, which may change it.
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String));
}

impl Strings for String {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(self);
    }
}

impl<T: Strings> Strings for Option<T> {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        if let Some(part) = self {
            part.each_string(visit);
        }
    }
}

impl<T: Strings> Strings for Vec<T> {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        for part in self {
            part.each_string(visit);
        }
    }
}

impl Strings for Value {
    fn each_string(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::String(text) => visit(text),
            Self::Array(values) => values.each_string(visit),
            Self::Object(object) => object.values_mut().for_each(|value| value.each_string(visit)),
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}
