//! Words that say it all when they are the whole message, in every language of the list.

use std::collections::HashMap;

use crate::content::fold::{data_lines, fold};

use super::ReplyClass;
use super::normalise::folded;

/// One word of the list.
#[derive(Debug, Clone)]
pub(super) struct Keyword {
    pub class: ReplyClass,
    /// As `keyword.en.stop`.
    pub rule: String,
    pub language: &'static str,
}

impl Keyword {
    /// Whether someone who reads `languages`, given as primary subtags, reads this word.
    fn is_read_by(&self, languages: &[&str]) -> bool {
        let primary = self.language.split('-').next().unwrap_or_default();
        languages.contains(&primary)
    }
}

/// The list: by whole message, and the words of scripts without spaces that count anywhere.
#[derive(Debug, Default)]
pub(super) struct Keywords {
    whole: HashMap<String, Vec<Keyword>>,
    anywhere: Vec<(String, Keyword)>,
}

impl Keywords {
    /// Reads `language<TAB>class<TAB>word<TAB>whole|anywhere`; the error names the line.
    pub fn parse(file: &'static str) -> Result<Keywords, String> {
        let mut keywords = Keywords::default();
        for line in data_lines(file) {
            let fields: Vec<&'static str> = line.split('\t').collect();
            let [language, class, word, place] = fields[..] else {
                return Err(format!("four fields: {line:?}"));
            };
            let class = match class {
                "opt-out" => ReplyClass::OptOut,
                "opt-in" => ReplyClass::OptIn,
                "help" => ReplyClass::Help,
                "yes" => ReplyClass::Yes,
                "uncertain" => ReplyClass::Uncertain,
                other => return Err(format!("unknown class {other:?}: {line:?}")),
            };
            let key = folded(word);
            let rule = format!("keyword.{language}.{}", fold(word).replace(char::is_whitespace, "-"));
            let keyword = Keyword { class, rule, language };
            if place == "anywhere" {
                keywords.anywhere.push((key.clone(), keyword.clone()));
            }
            let squashed = key.replace(' ', "");
            if squashed != key {
                keywords.whole.entry(squashed).or_default().push(keyword.clone());
            }
            keywords.whole.entry(key).or_default().push(keyword);
        }
        Ok(keywords)
    }

    /// The keyword that is this whole message. Opt-outs and doubts count in every language, the others in those of
    /// `languages`, given as primary subtags.
    pub fn whole(&self, message: &str, languages: &[&str]) -> Option<&Keyword> {
        let entries = self.whole.get(message)?;
        let everyone = |k: &Keyword| matches!(k.class, ReplyClass::OptOut | ReplyClass::Uncertain);
        let fitting = entries.iter().filter(|k| everyone(k) || k.is_read_by(languages));
        fitting.min_by_key(|k| (k.class != ReplyClass::OptOut, !k.is_read_by(languages)))
    }

    /// A word of a script without spaces, wherever it stands, and its letters.
    pub fn anywhere(&self, message: &str) -> Option<(&str, &Keyword)> {
        let found = self.anywhere.iter().find(|(key, _)| message.contains(key.as_str()));
        found.map(|(key, keyword)| (key.as_str(), keyword))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opt_outs_reach_everyone_the_rest_only_its_readers() {
        let list = "tr\topt-out\tİPTAL\twhole\nes\thelp\tAYUDA\twhole\nzh\topt-out\t退订\tanywhere\nen\topt-out\tstop all\twhole";
        let keywords = Keywords::parse(list).expect("a good list");
        let rule = |text: &str, languages: &[&str]| keywords.whole(text, languages).map(|k| k.rule.clone());
        assert_eq!(rule("iptal", &["en"]).as_deref(), Some("keyword.tr.iptal"));
        assert_eq!(rule("ayuda", &["en"]), None);
        assert_eq!(rule("ayuda", &["en", "es"]).as_deref(), Some("keyword.es.ayuda"));
        assert_eq!(rule("stopall", &[]).as_deref(), Some("keyword.en.stop-all"));
        assert!(keywords.anywhere(&folded("请退订谢谢")).is_some() && keywords.anywhere("谢 谢").is_none());
        assert_eq!(rule(&folded("退订"), &["en"]).as_deref(), Some("keyword.zh.退订"));
        for bad in ["en\tstop", "en\tmaybe\tx\twhole"] {
            assert!(Keywords::parse(bad).is_err(), "{bad}");
        }
    }
}
