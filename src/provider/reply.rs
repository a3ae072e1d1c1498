//! What vendors' answers to a hand-over have in common: the way from a status and an error class to an outcome.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::http::{Answer, HttpError};
use super::{Failure, Handover};
use crate::model::outgoing::ErrorClass;

/// Characters kept of a vendor's own words and codes.
const TEXT_MAX: usize = 200;
const CODE_MAX: usize = 64;
/// Digits in a row from which on they may be somebody's number.
const DIGITS_MIN: usize = 5;

/// A vendor's words with everything that may be a telephone number taken out, at most 200 characters.
pub fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    let end_run = |run: &mut String, out: &mut String| {
        let digits = run.chars().filter(char::is_ascii_digit).count();
        match digits >= DIGITS_MIN {
            true => {
                let spaces = run.len() - run.trim_end().len();
                out.push('#');
                out.extend(std::iter::repeat_n(' ', spaces));
            }
            false => out.push_str(run),
        }
        run.clear();
    };
    for c in text.chars() {
        let inside = !run.is_empty() && matches!(c, ' ' | '-' | '.' | '(' | ')');
        if c.is_ascii_digit() || c == '+' || inside {
            run.push(c);
        } else {
            end_run(&mut run, &mut out);
            out.push(c);
        }
    }
    end_run(&mut run, &mut out);
    out.chars().take(TEXT_MAX).collect()
}

/// Why, with code and words cut to size.
pub fn failure(class: ErrorClass, code: impl ToString, text: &str) -> Failure {
    Failure { class, code: code.to_string().chars().take(CODE_MAX).collect(), text: masked(text) }
}

/// It took the message under this id.
pub fn accepted(id: impl Into<String>) -> Handover {
    Handover::Accepted { ids: vec![id.into()] }
}

/// It refused in its own words: for ever, for now, or without saying whether anything was sent.
pub fn refused(class: ErrorClass, code: impl ToString, text: &str, after_seconds: Option<u32>) -> Handover {
    let failure = failure(class, code, text);
    match class {
        ErrorClass::Retryable | ErrorClass::PermanentAccount => Handover::NotTaken { failure, after_seconds },
        ErrorClass::Ambiguous => Handover::Unclear(failure),
        _ => Handover::Rejected(failure),
    }
}

/// It refused this message for ever, though the fault is the account's: a country that is not enabled, say.
pub fn never(class: ErrorClass, code: impl ToString, text: &str) -> Handover {
    Handover::Rejected(failure(class, code, text))
}

/// Seconds from `Retry-After`.
pub fn after_seconds(said: &Answer) -> Option<u32> {
    said.retry_after().and_then(|d| u32::try_from(d.as_secs()).ok())
}

/// An answer that is not in the vendor's own words: from something in between, or from a fault. Only where nothing can
/// have been taken is it said so.
pub fn by_status(said: &Answer) -> Handover {
    let status = said.status;
    let words = status.canonical_reason().unwrap_or("unknown status");
    match status.as_u16() {
        429 => refused(ErrorClass::Retryable, 429, words, after_seconds(said)),
        // 404 and 405: not the vendor's API at all, so the account's address is wrong.
        401..=405 | 407 => refused(ErrorClass::PermanentAccount, status.as_u16(), words, None),
        // 408, 409, 425 and 499 may follow after the fact.
        400 | 406 | 410..=424 | 426..=428 | 430..=498 => {
            refused(ErrorClass::PermanentContent, status.as_u16(), words, None)
        }
        _ => unclear(status, "not an answer this provider documents"),
    }
}

/// It may have been taken.
pub fn unclear(status: StatusCode, text: &str) -> Handover {
    let known = status.canonical_reason().unwrap_or("unknown status");
    Handover::Unclear(failure(ErrorClass::Ambiguous, status.as_u16(), &format!("{text} ({known})")))
}

/// There was no whole answer.
pub fn not_answered(error: &HttpError) -> Handover {
    match error.may_have_been_sent() {
        false => refused(ErrorClass::Retryable, "not_sent", &error.to_string(), None),
        true => Handover::Unclear(failure(ErrorClass::Ambiguous, "no_answer", &error.to_string())),
    }
}

/// The address is nothing a text could reach.
pub fn unaddressable() -> Handover {
    let class = ErrorClass::PermanentRecipient;
    refused(class, "not_a_number", "the address is not a telephone number", None)
}

/// The request cannot be put into words: a setting is not what it was checked to be.
pub fn unbuildable() -> Handover {
    refused(ErrorClass::PermanentAccount, "not_built", "the request cannot be built from the settings", None)
}

/// The body as JSON of a form; none for anything else, whatever its content type says.
pub fn json<T: DeserializeOwned>(said: &Answer) -> Option<T> {
    serde_json::from_slice(&said.body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, headers: http::HeaderMap::new(), body: bytes::Bytes::new() }
    }

    #[test]
    fn numbers_are_masked_and_codes_stay() {
        for (text, masked_text) in [
            ("The 'To' number +12125550123 is not valid.", "The 'To' number # is not valid."),
            ("to (212) 555-0123 now", "to (# now"),
            ("code 3000 of 40", "code 3000 of 40"),
            ("+44 7700 900001", "#"),
            ("", ""),
        ] {
            assert_eq!(masked(text), masked_text, "{text}");
        }
        assert_eq!(masked(&"é".repeat(500)).chars().count(), TEXT_MAX);
    }

    #[test]
    fn a_strange_status_says_not_taken_only_where_that_is_certain() {
        for status in [200, 202, 204, 301, 408, 409, 425, 499, 500, 502, 503, 504] {
            assert!(matches!(by_status(&answer(status)), Handover::Unclear(_)), "{status}");
        }
        for status in [401, 402, 403, 404, 405, 407, 429] {
            assert!(matches!(by_status(&answer(status)), Handover::NotTaken { .. }), "{status}");
        }
        for status in [400, 413, 415, 422] {
            assert!(matches!(by_status(&answer(status)), Handover::Rejected(_)), "{status}");
        }
    }
}
