//! JSON, as far as a program that only writes needs it.

use std::fmt::Write;

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Json {
    /// Unknown.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Another number; what is not finite is written as `null`.
    Float(f64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Json>),
    /// Values by name, in the order given.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// An event: an object that says so first.
    pub(crate) fn event(name: &str, fields: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
        let mut all = vec![("event", Json::from(name))];
        all.extend(fields);
        Json::Object(all)
    }

    /// A list of what can be values.
    pub(crate) fn list<T: Into<Json>>(items: impl IntoIterator<Item = T>) -> Json {
        Json::List(items.into_iter().map(Into::into).collect())
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Int(number) => push(out, format_args!("{number}")),
            Json::Float(number) if number.is_finite() => push(out, format_args!("{number}")),
            Json::Float(_) => out.push_str("null"),
            Json::Text(text) => write_text(text, out),
            Json::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(fields) => {
                out.push('{');
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all that is written to it");
}

/// Text in quotes. Besides what must be escaped, the two line separators of Unicode are, for readers that cut lines
/// there, and DEL.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                push(out, format_args!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::Text(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Json {
        Json::Float(number)
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Json {
            fn from(number: $number) -> Json {
                Json::Int(i128::from(number))
            }
        }
    )*};
}
whole_numbers!(u8, u32, u64, i64);

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let text = "a\"b\\c\nd\te\rf\u{1}g\u{2028}h\u{7f}é";
        let written = Json::from(text).to_string();
        assert_eq!(written, r#""a\"b\\c\nd\te\rf\u0001g\u2028h\u007fé""#);
    }

    #[test]
    fn values_nest_on_one_line() {
        let value = Json::event(
            "x",
            [
                ("n", Json::from(u64::MAX)),
                ("f", Json::from(0.25)),
                ("nan", Json::from(f64::NAN)),
                ("none", Json::from(None::<u64>)),
                ("list", Json::list(["a", "b"])),
                ("yes", Json::from(true)),
                ("empty", Json::List(Vec::new())),
            ],
        );
        let expected = r#"{"event":"x","n":18446744073709551615,"f":0.25,"nan":null,"none":null,"list":["a","b"],"yes":true,"empty":[]}"#;
        assert_eq!(value.to_string(), expected);
    }
}
