//! Languages our own texts are written in.

use serde::{Deserialize, Serialize};

macro_rules! languages {
    ($($name:ident $tag:literal $doc:literal,)*) => {
        /// A language the gateway can write automatic texts and opt-out wording in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub enum Language {
            /// English; also what an unknown tag falls back to.
            #[default]
            En,
            $(#[doc = $doc] $name,)*
        }

        impl Language {
            /// Every language, English first.
            pub const ALL: &'static [Language] = &[Language::En, $(Language::$name,)*];

            /// The BCP 47 tag.
            pub const fn tag(self) -> &'static str {
                match self {
                    Language::En => "en",
                    $(Language::$name => $tag,)*
                }
            }
        }
    };
}

languages! {
    Es "es" "Spanish.",
    Fr "fr" "French.",
    De "de" "German.",
    Pt "pt" "Portuguese.",
    It "it" "Italian.",
    Nl "nl" "Dutch.",
    Pl "pl" "Polish.",
    Tr "tr" "Turkish.",
    Sv "sv" "Swedish.",
    Ru "ru" "Russian.",
    Ja "ja" "Japanese.",
    Ko "ko" "Korean.",
    ZhHans "zh-Hans" "Chinese, simplified.",
    ZhHant "zh-Hant" "Chinese, traditional.",
    Ar "ar" "Arabic.",
    He "he" "Hebrew.",
    Hi "hi" "Hindi.",
}

impl Language {
    /// The language of a BCP 47 tag (`es-MX`, `fr_CA`, `EN`, `zh-TW`), if we write it.
    pub fn from_tag(tag: &str) -> Option<Language> {
        let mut parts = tag.split(['-', '_']).map(str::to_ascii_lowercase);
        let primary = parts.next()?;
        if primary == "zh" {
            // Where the script is not named, the place tells it.
            let rest: Vec<String> = parts.collect();
            let says = |part: &str| rest.iter().any(|said| said == part);
            let traditional = says("hant") || !says("hans") && ["tw", "hk", "mo"].into_iter().any(says);
            return Some(if traditional { Language::ZhHant } else { Language::ZhHans });
        }
        // Hebrew's tag of old, still sent by some systems.
        let primary = if primary == "iw" { "he" } else { primary.as_str() };
        Language::ALL.iter().copied().find(|language| language.tag() == primary)
    }

    /// Whether it is written from right to left.
    pub const fn is_right_to_left(self) -> bool {
        matches!(self, Language::Ar | Language::He)
    }

    /// Whether its letters are Latin: our texts in it travel in GSM-7.
    pub const fn is_latin(self) -> bool {
        use Language::*;
        matches!(self, En | Es | Fr | De | Pt | It | Nl | Pl | Tr | Sv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        for language in Language::ALL {
            assert_eq!(Language::from_tag(language.tag()), Some(*language));
        }
        for (tag, language) in [
            ("es-419", Some(Language::Es)),
            ("zh", Some(Language::ZhHans)),
            ("zh-CN", Some(Language::ZhHans)),
            ("zh-TW", Some(Language::ZhHant)),
            ("zh-Hant-HK", Some(Language::ZhHant)),
            ("zh_Hans_HK", Some(Language::ZhHans)),
            ("pt-BR", Some(Language::Pt)),
            ("iw", Some(Language::He)),
            ("", None),
            ("english", None),
        ] {
            assert_eq!(Language::from_tag(tag), language, "{tag}");
        }
    }
}
