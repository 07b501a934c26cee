//! Strict reading of JSON bodies: every fault found, each with its JSON pointer.
//!
//! What holds: broken JSON is one refusal; a well-formed body of the wrong shape is another and names the places.
//! Unknown and repeated fields are refused. Numbers are kept as they were written until somebody says what they mean,
//! so nothing ever goes through a float. Deep nesting costs no stack: what nobody asks for is skipped, not built.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

use crate::problem::{FieldError, Problem, Result};

/// More faults than this help nobody.
const FAULTS_MAX: usize = 20;

/// What is wrong with a body so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    pub fn add(&mut self, pointer: impl fmt::Display, detail: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(FieldError { pointer: pointer.to_string(), detail: detail.into() });
        }
    }

    pub fn check(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}

/// Where something stands in a body. It is put into words only for a fault: most bodies have none.
#[derive(Clone, Debug, Default)]
pub struct Pointer<'a>(Vec<Step<'a>>);

#[derive(Clone, Debug)]
enum Step<'a> {
    Field(Cow<'a, str>),
    Element(usize),
}

impl<'a> Pointer<'a> {
    fn to(&self, step: Step<'a>) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }
}

/// As a JSON pointer in a URI fragment, with `~` and `/` escaped.
impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("#")?;
        for step in &self.0 {
            match step {
                Step::Field(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?,
                Step::Element(index) => write!(f, "/{index}")?,
            }
        }
        Ok(())
    }
}

/// One value as it was written, and where.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    raw: &'a RawValue,
    pub pointer: Pointer<'a>,
}

/// The fields of an object, to be taken one by one; what is left over is a fault.
#[derive(Debug)]
pub struct Object<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    pointer: Pointer<'a>,
}

/// Reads the whole body, which must be one object.
pub fn parse<'a>(body: &'a [u8], faults: &mut Faults) -> Result<Object<'a>> {
    if let Ok(Fields { fields, repeated: None }) = serde_json::from_slice(body) {
        return Ok(Object { fields, pointer: Pointer::default() });
    }
    // Something is wrong with it; what, is found out in two steps.
    let broken = |error: serde_json::Error| {
        let detail = format!("the body is not valid JSON at line {}, column {}", error.line(), error.column());
        Problem::new("invalid_json", detail)
    };
    let raw: &RawValue = serde_json::from_slice(body).map_err(broken)?;
    let root = Value { raw, pointer: Pointer::default() };
    let Some(object) = root.object(faults) else {
        std::mem::take(faults).check()?;
        return Err(Problem::invalid_at("#", "expected an object"));
    };
    Ok(object)
}

impl<'a> Object<'a> {
    /// The field, if it is there and not null.
    pub fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        let place = self.fields.iter().position(|(field, _)| field == name)?;
        let (_, raw) = self.fields.swap_remove(place);
        (raw.get() != "null").then(|| Value { raw, pointer: self.pointer_to(name) })
    }

    pub fn require(&mut self, name: &'static str, faults: &mut Faults) -> Option<Value<'a>> {
        let found = self.take(name);
        if found.is_none() {
            faults.add(self.pointer_to(name), "is missing");
        }
        found
    }

    pub fn pointer_to(&self, name: impl Into<Cow<'a, str>>) -> Pointer<'a> {
        self.pointer.to(Step::Field(name.into()))
    }

    /// All fields, for an object whose names say something themselves.
    pub fn into_fields(self) -> Vec<(String, Value<'a>)> {
        let at = |name: &Cow<'a, str>| self.pointer.to(Step::Field(name.clone()));
        let named = self.fields.iter().map(|(name, raw)| (name.to_string(), Value { raw, pointer: at(name) }));
        named.collect()
    }

    /// Whatever nobody took is unknown.
    pub fn finish(self, faults: &mut Faults) {
        for (name, _) in &self.fields {
            let shown: String = name.chars().take(64).collect();
            faults.add(self.pointer_to(shown), "there is no such field");
        }
    }
}

impl<'a> Value<'a> {
    pub fn text(&self) -> &'a str {
        self.raw.get()
    }

    pub fn is_string(&self) -> bool {
        self.text().starts_with('"')
    }

    pub fn is_number(&self) -> bool {
        self.text().starts_with(|c: char| c == '-' || c.is_ascii_digit())
    }

    pub fn object(&self, faults: &mut Faults) -> Option<Object<'a>> {
        match serde_json::from_str::<Fields<'a>>(self.text()) {
            Ok(Fields { fields, repeated: None }) => Some(Object { fields, pointer: self.pointer.clone() }),
            Ok(Fields { repeated: Some(name), .. }) => {
                let object = Object { fields: Vec::new(), pointer: self.pointer.clone() };
                let detail = format!("the field `{name}` is given twice");
                faults.add(object.pointer_to(name), detail);
                None
            }
            Err(_) => {
                faults.add(&self.pointer, "expected an object");
                None
            }
        }
    }

    /// The elements of an array; `None`, with a fault, for anything else or more than `len_max`.
    pub fn array(&self, len_max: usize, faults: &mut Faults) -> Option<Vec<Self>> {
        let Ok(raws) = serde_json::from_str::<Vec<&'a RawValue>>(self.text()) else {
            faults.add(&self.pointer, "expected a list");
            return None;
        };
        if raws.len() > len_max {
            faults.add(&self.pointer, format!("has {} elements, at most {len_max} are allowed", raws.len()));
            return None;
        }
        let element = |(index, raw)| Value { raw, pointer: self.pointer.to(Step::Element(index)) };
        Some(raws.into_iter().enumerate().map(element).collect())
    }

    pub fn string(&self, faults: &mut Faults) -> Option<String> {
        self.words(faults).map(Cow::into_owned)
    }

    /// What stands between the quotes; borrowed if nothing in it is escaped.
    fn words(&self, faults: &mut Faults) -> Option<Cow<'a, str>> {
        let quoted = self.text().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        if let Some(plain) = quoted.filter(|text| !text.contains('\\')) {
            return Some(Cow::Borrowed(plain));
        }
        let read = serde_json::from_str::<String>(self.text()).ok().map(Cow::Owned);
        if read.is_none() {
            faults.add(&self.pointer, "expected a string");
        }
        read
    }

    pub fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        let read = serde_json::from_str::<bool>(self.text()).ok();
        if read.is_none() {
            faults.add(&self.pointer, "expected true or false");
        }
        read
    }

    /// A whole number from `least` to `most`, written as a number without point and exponent.
    pub fn whole(&self, least: i64, most: i64, faults: &mut Faults) -> Option<i64> {
        let digits = self.text().strip_prefix('-').unwrap_or_else(|| self.text());
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let read = self.text().parse::<i64>().ok().filter(|number| (least..=most).contains(number));
        if !is_whole || read.is_none() {
            faults.add(&self.pointer, format!("expected a whole number from {least} to {most}"));
            return None;
        }
        read
    }

    /// An id: digits, as a number or as a string.
    pub fn id<T: std::str::FromStr>(&self, faults: &mut Faults) -> Option<T> {
        let text = if self.is_string() { self.words(faults)? } else { Cow::Borrowed(self.text()) };
        let read = if text.is_empty() { None } else { text.parse().ok() };
        if read.is_none() {
            faults.add(&self.pointer, "expected a whole number from 1 to 9223372036854775807");
        }
        read
    }

    /// An exact decimal such as `99.99`, as a number or as a string; returned as it was written.
    pub fn decimal(&self, faults: &mut Faults) -> Option<String> {
        let text = if self.is_string() { self.words(faults)? } else { Cow::Borrowed(self.text()) };
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || text.len() > 40 {
            faults.add(&self.pointer, "expected an exact decimal such as 99.99");
            return None;
        }
        Some(text.into_owned())
    }
}

struct Fields<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    repeated: Option<String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor(std::marker::PhantomData))
    }
}

struct FieldsVisitor<'a>(std::marker::PhantomData<&'a ()>);

/// A name without escapes is borrowed.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Visitor<'de> for FieldsVisitor<'a> {
    type Value = Fields<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'a>, A::Error> {
        let mut fields: Vec<(Cow<'a, str>, &'a RawValue)> = Vec::new();
        let mut repeated = None;
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            // Bodies are small and fields few; an object with thousands is unknown fields anyway.
            if fields.len() < 1_000 && fields.iter().any(|(seen, _)| *seen == name) {
                repeated.get_or_insert_with(|| name.chars().take(64).collect());
            }
            fields.push((name, value));
        }
        Ok(Fields { fields, repeated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(body: &str, read: impl Fn(&mut Object<'_>, &mut Faults)) -> Vec<(String, String)> {
        let mut faults = Faults::default();
        let mut object = parse(body.as_bytes(), &mut faults).unwrap();
        read(&mut object, &mut faults);
        object.finish(&mut faults);
        faults.0.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn broken_json_is_told_from_json_of_the_wrong_shape() {
        for broken in ["", "{", "{\"a\":}", "{\"a\":1,}", "{} {}", "nonsense", "{\"a\":\"\u{1}\"}", "[1"] {
            assert_eq!(parse(broken.as_bytes(), &mut Faults::default()).unwrap_err().code, "invalid_json", "{broken}");
        }
        assert_eq!(parse(&[0x22, 0xff, 0x22], &mut Faults::default()).unwrap_err().code, "invalid_json");
        for shape in ["[]", "1", "null", "\"{}\"", "{\"a\":1,\"a\":1}"] {
            assert_eq!(parse(shape.as_bytes(), &mut Faults::default()).unwrap_err().code, "invalid_request", "{shape}");
        }
    }

    #[test]
    fn a_body_of_brackets_alone_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(parse(deep.as_bytes(), &mut Faults::default()).unwrap_err().code, "invalid_request");
        let inside = format!("{{\"a\":{deep}}}");
        let found = faults_of(&inside, |object, faults| {
            object.take("a").unwrap().string(faults);
        });
        assert_eq!(found[0].0, "#/a");
    }

    #[test]
    fn unknown_fields_are_named_by_pointer() {
        let found = faults_of(r#"{"b/c~": 1, "a": null}"#, |object, _| assert!(object.take("a").is_none()));
        assert_eq!(found, [("#/b~1c~0".to_owned(), "there is no such field".to_owned())]);
    }

    #[test]
    fn whole_numbers_are_written_without_point_exponent_or_quotes() {
        for (text, expected) in [("1", Some(1)), ("10", Some(10)), ("11", None), ("0", None), ("-1", None)] {
            let body = format!("{{\"a\":{text}}}");
            faults_of(&body, |object, faults| {
                assert_eq!(object.take("a").unwrap().whole(1, 10, faults), expected, "{text}");
            });
        }
        for text in ["1.0", "1e0", "\"1\"", "[1]", "true", "99999999999999999999999"] {
            let body = format!("{{\"a\":{text}}}");
            let found = faults_of(&body, |object, faults| {
                object.take("a").unwrap().whole(1, 10, faults);
            });
            assert_eq!(found.len(), 1, "{text}");
        }
    }

    #[test]
    fn decimals_keep_their_digits() {
        for text in ["99.99", "\"99.990\"", "100", "0.1"] {
            let body = format!("{{\"a\":{text}}}");
            faults_of(&body, |object, faults| {
                let read = object.take("a").unwrap().decimal(faults).unwrap();
                assert_eq!(read, text.trim_matches('"'));
            });
        }
        for text in ["1e2", "-1", "\"1.\"", "\".5\"", "\"\"", "\"1,5\"", "true", "{}"] {
            let body = format!("{{\"a\":{text}}}");
            let found = faults_of(&body, |object, faults| {
                object.take("a").unwrap().decimal(faults);
            });
            assert_eq!(found.len(), 1, "{text}");
        }
    }
}
