//! Parameters: how a field of a request is read from and written to JSON, by its type.
//!
//! Reading is strict and names the parameter at fault. Null and absent are the same: `Option` is then `None`, a
//! flag false, a list or map empty; any other type is required.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ServiceError;

/// A type that a field of a request can have.
pub(crate) trait Parameter: Sized {
    /// Reads the field; `path` names it in errors.
    fn read(value: Option<Value>, path: &str) -> Result<Self, ServiceError>;

    /// Writes the field; `None` where it is the same as absent.
    fn write(&self) -> Option<Value>;

    /// Returns the type's name in the interface description.
    #[cfg(test)]
    fn varlink_type() -> String;
}

/// A type that is one JSON value.
pub(crate) trait Scalar: Serialize + DeserializeOwned {
    /// The type's name in the interface description.
    #[cfg(test)]
    const NAME: &'static str;
}

impl Scalar for String {
    #[cfg(test)]
    const NAME: &'static str = "string";
}

impl Scalar for u64 {
    #[cfg(test)]
    const NAME: &'static str = "int";
}

impl Scalar for u32 {
    #[cfg(test)]
    const NAME: &'static str = "int";
}

impl Scalar for i32 {
    #[cfg(test)]
    const NAME: &'static str = "int";
}

fn scalar<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, ServiceError> {
    serde_json::from_value(value).map_err(|_| ServiceError::invalid_parameter(path))
}

fn json<T: Serialize>(value: &T) -> Option<Value> {
    serde_json::to_value(value).ok()
}

/// Makes a type one whose field must be there.
macro_rules! required {
    ($($type:ty),*) => {
        $(impl Parameter for $type {
            fn read(value: Option<Value>, path: &str) -> Result<Self, ServiceError> {
                scalar(value.unwrap_or_default(), path)
            }

            fn write(&self) -> Option<Value> {
                json(self)
            }

            #[cfg(test)]
            fn varlink_type() -> String {
                <$type as Scalar>::NAME.to_owned()
            }
        })*
    };
}

required!(String, u64);

impl Parameter for bool {
    fn read(value: Option<Value>, path: &str) -> Result<Self, ServiceError> {
        value.map_or(Ok(false), |value| scalar(value, path))
    }

    fn write(&self) -> Option<Value> {
        self.then_some(Value::Bool(true))
    }

    #[cfg(test)]
    fn varlink_type() -> String {
        "?bool".to_owned()
    }
}

impl<T: Scalar> Parameter for Option<T> {
    fn read(value: Option<Value>, path: &str) -> Result<Self, ServiceError> {
        value.map(|value| scalar(value, path)).transpose()
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(json)
    }

    #[cfg(test)]
    fn varlink_type() -> String {
        format!("?{}", T::NAME)
    }
}

impl<T: Scalar> Parameter for Vec<T> {
    fn read(value: Option<Value>, path: &str) -> Result<Self, ServiceError> {
        value.map_or_else(|| Ok(Vec::new()), |value| scalar(value, path))
    }

    fn write(&self) -> Option<Value> {
        if self.is_empty() { None } else { json(self) }
    }

    #[cfg(test)]
    fn varlink_type() -> String {
        format!("?[]{}", T::NAME)
    }
}

impl Parameter for BTreeMap<String, String> {
    fn read(value: Option<Value>, path: &str) -> Result<Self, ServiceError> {
        value.map_or_else(|| Ok(BTreeMap::new()), |value| scalar(value, path))
    }

    fn write(&self) -> Option<Value> {
        if self.is_empty() { None } else { json(self) }
    }

    #[cfg(test)]
    fn varlink_type() -> String {
        "?[string]string".to_owned()
    }
}

/// Takes the fields of one object, and in the end refuses what nobody took.
pub(crate) struct Reader<'a> {
    fields: Map<String, Value>,
    prefix: &'a str,
}

impl<'a> Reader<'a> {
    /// Reads an object; `prefix` is put before the names of its fields in errors.
    pub(crate) fn new(fields: Map<String, Value>, prefix: &'a str) -> Self {
        Reader { fields, prefix }
    }

    /// Takes a field.
    pub(crate) fn take<T: Parameter>(&mut self, name: &str) -> Result<T, ServiceError> {
        let value = self.fields.remove(name).filter(|value| !value.is_null());
        T::read(value, &format!("{}{name}", self.prefix))
    }

    /// Refuses fields that were not taken.
    pub(crate) fn finish(self) -> Result<(), ServiceError> {
        match self.fields.keys().next() {
            Some(name) => Err(ServiceError::invalid_parameter(&format!("{}{name}", self.prefix))),
            None => Ok(()),
        }
    }
}

/// Defines a struct of parameters, each read and written by its type, under its own name.
macro_rules! parameters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            fn read_fields(
                fields: serde_json::Map<String, serde_json::Value>,
                prefix: &str,
            ) -> Result<Self, $crate::protocol::error::ServiceError> {
                let mut reader = $crate::protocol::parameter::Reader::new(fields, prefix);
                let read = $name { $($field: reader.take(stringify!($field))?,)* };
                reader.finish()?;
                Ok(read)
            }

            fn write_fields(&self) -> serde_json::Map<String, serde_json::Value> {
                let mut fields = serde_json::Map::new();
                $(if let Some(value) = $crate::protocol::parameter::Parameter::write(&self.$field) {
                    fields.insert(stringify!($field).to_owned(), value);
                })*
                fields
            }

            /// Returns names and types of the fields, as the interface description has them.
            #[cfg(test)]
            pub(crate) fn varlink_fields() -> Vec<(&'static str, String)> {
                vec![$((
                    stringify!($field),
                    <$type as $crate::protocol::parameter::Parameter>::varlink_type(),
                )),*]
            }
        }
    };
}

pub(crate) use parameters;
