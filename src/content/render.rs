//! Template rendering: `{{placeholders}}` in, the exact text that would leave out, or every mistake at once.

use std::collections::{BTreeMap, BTreeSet};

/// Placeholders the gateway fills itself; callers cannot pass variables of these names.
/// `coupon_expires` is the real instant in the recipient's local time.
pub const RESERVED: [&str; 4] = ["link", "coupon", "coupon_expires", "opt_out_link"];

/// Longest template, in characters.
pub const TEMPLATE_MAX: usize = 2_000;
/// Longest value of one variable, in characters.
pub const VALUE_MAX: usize = 500;
/// Longest rendered body, in characters: ten GSM-7 parts and a little, what the narrowest providers take.
pub const BODY_MAX: usize = 1_600;
/// Most variables of one message.
pub const VARIABLES_MAX: usize = 32;
/// Longest name of a variable.
const NAME_MAX: usize = 32;

/// What is wrong with a template, a variable or their union. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Nothing but white space would be sent.
    #[error("the text is empty")]
    Empty,
    /// More than [`TEMPLATE_MAX`] characters.
    #[error("the template has {length} characters, more than {TEMPLATE_MAX}")]
    TemplateTooLong {
        /// Its length in characters.
        length: usize,
    },
    /// More than [`BODY_MAX`] characters once filled in.
    #[error("the rendered text has {length} characters, more than {BODY_MAX}")]
    BodyTooLong {
        /// Its length in characters.
        length: usize,
    },
    /// A `{{` without `}}` on the same line.
    #[error("the placeholder opened at character {position} is never closed with }}}}")]
    Unclosed {
        /// Where `{{` stands.
        position: usize,
    },
    /// Not a name: lower-case letter first, then letters, digits and `_`, at most 32.
    #[error(
        "{{{{{name}}}}} at character {position} is no placeholder: names are a-z, 0-9 and _, a letter first, at most 32"
    )]
    BadName {
        /// What stands between the braces, cut to 32 characters.
        name: String,
        /// Where `{{` stands.
        position: usize,
    },
    /// The gateway fills this one, and this message has nothing to fill it with.
    #[error("{{{{{name}}}}} at character {position} needs a {name} and this message has none")]
    Missing {
        /// One of [`RESERVED`].
        name: String,
        /// Where `{{` stands.
        position: usize,
    },
    /// No variable of that name was passed.
    #[error("{{{{{name}}}}} at character {position} is unknown: no variable of that name was passed")]
    Unknown {
        /// The name.
        name: String,
        /// Where `{{` stands.
        position: usize,
    },
    /// A control character, or a mark that reverses the reading direction (used to disguise links).
    #[error("{part} holds the forbidden character U+{:04X} at character {position}", u32::from(*.character))]
    Forbidden {
        /// `the template` or `variable <name>`.
        part: String,
        /// The character.
        character: char,
        /// Where it stands in that part.
        position: usize,
    },
    /// A variable whose name is reserved or malformed.
    #[error("variable {name:?} cannot be passed: the name is reserved or not a-z, 0-9 and _")]
    VariableName {
        /// The name, cut to 32 characters.
        name: String,
    },
    /// A value of more than [`VALUE_MAX`] characters.
    #[error("variable {name} has {length} characters, more than {VALUE_MAX}")]
    ValueTooLong {
        /// The variable.
        name: String,
        /// Its length in characters.
        length: usize,
    },
    /// More than [`VARIABLES_MAX`] variables.
    #[error("{count} variables were passed, more than {VARIABLES_MAX}")]
    TooManyVariables {
        /// How many.
        count: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder { name: String, position: usize },
}

/// A template that parsed: literal text and named holes. Built once, rendered often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl Template {
    /// Parses a template; `\r\n` becomes `\n`. All mistakes are reported together.
    pub fn parse(text: &str) -> Result<Template, Vec<RenderError>> {
        let text = text.replace("\r\n", "\n");
        let length = text.chars().count();
        if length > TEMPLATE_MAX {
            return Err(vec![RenderError::TemplateTooLong { length }]);
        }
        let mut errors = forbidden("the template", &text, true);
        let pieces = pieces(&text, &mut errors);
        if text.trim().is_empty() {
            errors.push(RenderError::Empty);
        }
        if errors.is_empty() { Ok(Template(pieces)) } else { Err(errors) }
    }

    /// Names of the placeholders used.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0
            .iter()
            .filter_map(|piece| match piece {
                Piece::Placeholder { name, .. } => Some(name.as_str()),
                Piece::Text(_) => None,
            })
            .collect()
    }

    /// Fills the holes. `filled` holds what the gateway provides (by the names of [`RESERVED`]), `variables` what the
    /// caller passed. Values are inserted as they are: braces inside a value are never read as a placeholder.
    pub fn render(
        &self,
        filled: &BTreeMap<&str, String>,
        variables: &BTreeMap<String, String>,
    ) -> Result<String, Vec<RenderError>> {
        let mut errors = check_variables(variables);
        let mut body = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Placeholder { name, position } => {
                    let reserved = RESERVED.contains(&name.as_str());
                    let value = if reserved { filled.get(name.as_str()) } else { variables.get(name) };
                    match value {
                        Some(value) => body.push_str(value),
                        None => errors.push(absent(name, *position, reserved)),
                    }
                }
            }
        }
        errors.extend(check_body(&body));
        if errors.is_empty() { Ok(body) } else { Err(errors) }
    }
}

fn absent(name: &str, position: usize, reserved: bool) -> RenderError {
    let name = name.to_owned();
    if reserved { RenderError::Missing { name, position } } else { RenderError::Unknown { name, position } }
}

/// Checks a body that is sent as it is, without template: empty, too long, forbidden characters.
pub fn check_body(body: &str) -> Vec<RenderError> {
    let length = body.chars().count();
    if body.trim().is_empty() {
        return vec![RenderError::Empty];
    }
    if length > BODY_MAX {
        return vec![RenderError::BodyTooLong { length }];
    }
    forbidden("the text", body, true)
}

/// Checks names, number and values of caller variables; values are one line each.
pub fn check_variables(variables: &BTreeMap<String, String>) -> Vec<RenderError> {
    if variables.len() > VARIABLES_MAX {
        return vec![RenderError::TooManyVariables { count: variables.len() }];
    }
    let mut errors = Vec::new();
    for (name, value) in variables {
        if !is_name(name) || RESERVED.contains(&name.as_str()) {
            errors.push(RenderError::VariableName { name: cut(name) });
            continue;
        }
        let length = value.chars().count();
        if length > VALUE_MAX {
            errors.push(RenderError::ValueTooLong { name: name.clone(), length });
        } else {
            errors.extend(forbidden(&format!("variable {name}"), value, false));
        }
    }
    errors
}

fn pieces(text: &str, errors: &mut Vec<RenderError>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let position = |rest: &str| text[..text.len() - rest.len()].chars().count() + 1;
    while let Some(first) = rest.find("{{") {
        // In `{{{name}}}` the inner braces are the placeholder and the outer ones are text.
        let start = first + rest[first..].bytes().take_while(|&b| b == b'{').count() - 2;
        pieces.push(Piece::Text(rest[..start].to_owned()));
        let opened = &rest[start..];
        let line = opened.split('\n').next().unwrap_or(opened);
        let Some(end) = line.find("}}") else {
            errors.push(RenderError::Unclosed { position: position(opened) });
            return pieces;
        };
        let name = opened[2..end].trim();
        let position = position(opened);
        if is_name(name) {
            pieces.push(Piece::Placeholder { name: name.to_owned(), position });
        } else {
            errors.push(RenderError::BadName { name: cut(name), position });
        }
        rest = &opened[end + 2..];
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

/// The first forbidden character only: one is enough to know the text was not typed.
fn forbidden(part: &str, text: &str, lines: bool) -> Vec<RenderError> {
    let bad = |c: char| c.is_control() && !(lines && c == '\n') || is_direction_mark(c);
    let found = text.chars().enumerate().find(|&(_, c)| bad(c));
    found
        .map(|(at, character)| RenderError::Forbidden { part: part.to_owned(), character, position: at + 1 })
        .into_iter()
        .collect()
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    fn rendered(template: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
        let filled = BTreeMap::from([("link", "https://go.example/a1".to_owned())]);
        Template::parse(template)
            .and_then(|t| t.render(&filled, &variables(pairs)))
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn fills_what_it_has() {
        let ok = rendered(
            "Hi {{ name }}, {saved}: {{link}}\r\n{{{size}}}",
            &[("name", "Zoë"), ("size", "{{coupon}}")],
        );
        assert_eq!(ok.as_deref(), Ok("Hi Zoë, {saved}: https://go.example/a1\n{{{coupon}}}"));
        let template = Template::parse("{{b}} {{a}} {{b}}").expect("parses");
        assert_eq!(template.names().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn says_every_mistake_and_where() {
        let long = "x".repeat(VALUE_MAX + 1);
        for (template, pairs, expected) in [
            (
                "Hé {{nmae}} {{coupon}}",
                &[][..],
                "{{nmae}} at character 4 is unknown: no variable of that name was passed; {{coupon}} at character 13 needs a coupon and this message has none",
            ),
            (
                "a {{First name}} {{",
                &[],
                "{{First name}} at character 3 is no placeholder: names are a-z, 0-9 and _, a letter first, at most 32; the placeholder opened at character 18 is never closed with }}",
            ),
            ("{{a\n}}", &[], "the placeholder opened at character 1 is never closed with }}"),
            ("  \n", &[], "the text is empty"),
            ("{{a}}", &[("a", " ")], "the text is empty"),
            ("a\u{7}", &[], "the template holds the forbidden character U+0007 at character 2"),
            ("a\u{202e}b", &[], "the template holds the forbidden character U+202E at character 2"),
            ("{{a}}", &[("a", "x\ny")], "variable a holds the forbidden character U+000A at character 2"),
            (
                "hi",
                &[("link", "x")],
                "variable \"link\" cannot be passed: the name is reserved or not a-z, 0-9 and _",
            ),
            (
                "hi",
                &[("Nom", "x")],
                "variable \"Nom\" cannot be passed: the name is reserved or not a-z, 0-9 and _",
            ),
            ("{{a}}", &[("a", &long)], "variable a has 501 characters, more than 500"),
            (
                "{{a}}{{a}}{{a}}{{a}}",
                &[("a", &long[1..])],
                "the rendered text has 2000 characters, more than 1600",
            ),
        ] {
            assert_eq!(rendered(template, pairs), Err(expected.to_owned()), "{template:?}");
        }
        assert_eq!(
            Template::parse(&"x".repeat(2_001)),
            Err(vec![RenderError::TemplateTooLong { length: 2_001 }])
        );
        let many: BTreeMap<String, String> = (0..33).map(|n| (format!("v{n}"), String::new())).collect();
        assert_eq!(check_variables(&many), [RenderError::TooManyVariables { count: 33 }]);
    }

    proptest! {
        #[test]
        fn any_template_parses_or_says_why(text in any::<String>()) {
            match Template::parse(&text) {
                Ok(template) => prop_assert!(template.names().iter().all(|n| is_name(n))),
                Err(errors) => prop_assert!(!errors.is_empty()),
            }
        }

        #[test]
        fn values_come_through_unchanged(value in "[^\\p{C}]{1,50}") {
            prop_assume!(!value.trim().is_empty());
            prop_assert_eq!(rendered("<{{a}}>", &[("a", &value)]), Ok(format!("<{value}>")));
        }
    }
}
