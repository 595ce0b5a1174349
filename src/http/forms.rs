//! What parameters take, read from the document, so that a refusal says it: "must be a UUID"
//! instead of what a parser made of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter};

use crate::kernel::ids::AnyId;

/// What each parameter of an operation in path and query takes, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Forms(BTreeMap<String, Form>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Id,
    Flag,
    Whole(Option<i64>, Option<i64>),
    Time,
}

impl Forms {
    pub fn note(&mut self, operation: &Operation) {
        let parameters = operation.parameters.iter().flatten();
        self.0.extend(parameters.filter_map(|parameter| match parameter {
            RefOr::T(Parameter { name, schema, .. }) => {
                Some((name.clone(), Form::of(&json!(schema))?))
            }
            RefOr::Ref(_) => None,
        }));
    }

    /// What a value of this parameter must be.
    pub fn wanted(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|form| form.wanted())
    }

    /// The first of these parameters whose value is not of its form.
    pub fn unfit<'a>(
        &self,
        mut values: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<&'a str> {
        values
            .find(|(name, value)| self.0.get(*name).is_some_and(|form| !form.takes(value)))
            .map(|(name, _)| name)
    }
}

impl Form {
    fn of(schema: &Value) -> Option<Self> {
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (_, Some("uuid")) => Some(Self::Id),
            (_, Some("date-time")) => Some(Self::Time),
            (Some("boolean"), _) => Some(Self::Flag),
            (Some("integer"), _) => {
                Some(Self::Whole(schema["minimum"].as_i64(), schema["maximum"].as_i64()))
            }
            _ => None,
        }
    }

    fn wanted(self) -> String {
        match self {
            Self::Id => "a UUID".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Time => "a date and time (RFC 3339)".to_owned(),
            Self::Whole(Some(least), Some(most)) => {
                format!("a whole number from {least} to {most}")
            }
            Self::Whole(..) => "a whole number".to_owned(),
        }
    }

    /// Of paths, which have ids and numbers.
    fn takes(self, text: &str) -> bool {
        match self {
            Self::Id => text.parse::<AnyId>().is_ok(),
            Self::Whole(..) => text.parse::<i64>().is_ok(),
            Self::Flag | Self::Time => true,
        }
    }
}

/// What a parser's message says that is expected, after "must be".
pub(super) fn expected(message: &str) -> Option<&str> {
    let expected = message
        .rsplit_once(", expected ")
        .map(|(_, rest)| rest)
        .or_else(|| message.strip_prefix("must be "))?;
    expected.split(" at line ").next().map(as_people_say)
}

/// A number of digits is a whole number too where there are too many of them: the range says so.
fn as_people_say(expected: &str) -> &str {
    match expected {
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" => "a whole number from -9223372036854775808 to 9223372036854775807",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 to 18446744073709551615",
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_taken() {
        assert_eq!(
            Form::of(&json!({ "type": "string", "format": "uuid" })).map(Form::wanted).as_deref(),
            Some("a UUID")
        );
        let limit = Form::of(&json!({ "type": "integer", "minimum": 1, "maximum": 200 })).unwrap();
        assert_eq!(limit.wanted(), "a whole number from 1 to 200");
        assert!(limit.takes("7") && !limit.takes("seven"));
        assert_eq!(
            expected("unknown variant `x, expected y`, expected `a` or `b`"),
            Some("`a` or `b`")
        );
        assert_eq!(
            expected("invalid type: string \"x\", expected u8 at line 1 column 9"),
            Some("a whole number from 0 to 255")
        );
        assert_eq!(
            expected("must be within the years at line 1 column 2"),
            Some("within the years")
        );
        assert_eq!(expected("something else"), None);
    }

    /// By the parsers' own messages, which name the types.
    #[test]
    fn a_number_with_too_many_digits_is_told_the_range() {
        fn told<T: serde::de::DeserializeOwned + std::fmt::Debug>(number: &str) -> String {
            let error = serde_json::from_str::<T>(number).unwrap_err();
            expected(&error.to_string()).unwrap_or_default().to_owned()
        }
        let endless = "99999999999999999999";
        let all = [
            (told::<i8>(endless), i128::from(i8::MIN), i128::from(i8::MAX)),
            (told::<i16>(endless), i16::MIN.into(), i16::MAX.into()),
            (told::<i32>(endless), i32::MIN.into(), i32::MAX.into()),
            (told::<i64>(endless), i64::MIN.into(), i64::MAX.into()),
            (told::<u8>("256"), 0, u8::MAX.into()),
            (told::<u16>("-1"), 0, u16::MAX.into()),
            (told::<u32>("4294967296"), 0, u32::MAX.into()),
            (told::<u64>(endless), 0, u64::MAX.into()),
            (told::<usize>(endless), 0, u64::MAX.into()),
            (told::<std::num::NonZeroU32>("0"), 1, u32::MAX.into()),
        ];
        for (told, least, most) in all {
            assert_eq!(told, format!("a whole number from {least} to {most}"));
        }
    }
}
