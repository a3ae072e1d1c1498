//! What a person's reply means: deterministic, explainable, versioned. No chance, no clock.
//!
//! A reply is normalised (`normalise`), then judged in this order; the first that speaks decides:
//!
//! 1. a phone's report of a reaction (`Liked “…STOP…”`) quotes us, the person said nothing;
//! 2. the whole message is a listed word (`keywords`): opt-outs of **every** language for everyone, START, HELP and
//!    YES only in the person's languages;
//! 3. the rules of each language (`pack`): strong words anywhere (`stop`), phrases (`take me off`), frames of words in any order, weak words inside a
//!    sentence (`cancel my appointment`), minus the words a guard explains (`bus stop`, `can't stop laughing`);
//! 4. anything else is `Other`.
//!
//! A second witness weighs the reply against the published corpus (`weights`). Where it contradicts a rule beyond all
//! doubt, the rule's opt-out becomes uncertain; where no rule spoke and the reply weighs like an opt-out, it is one.
//!
//! A false opt-out costs a sale and can be reversed by an officer; a missed one costs a person's trust and a statutory
//! penalty. So where a rule is in doubt it says [`ReplyClass::Uncertain`], which suppresses marketing until a person
//! has looked.

pub mod corpus;
mod frame;
mod keywords;
mod lexicon;
mod normalise;
mod pack;
mod pattern;
mod subject;
mod weights;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use keywords::{Keyword, Keywords};
use lexicon::{Lexicon, WordId};
use normalise::{Words, squeezed, without_homoglyphs, without_leet};
use pack::{Hit, Kind, Odds, Pack};
use subject::Subject;
use weights::{Pieces, Weights};

/// What a reply asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReplyClass {
    /// No more messages.
    OptOut,
    /// START, UNSTOP, JOIN: the person's own act that reopens.
    OptIn,
    /// HELP, INFO.
    Help,
    /// The number is not, or no longer, the customer's: revokes every grant on it. Also an opt-out, never confirmed.
    WrongNumber,
    /// May be an opt-out: suppress marketing until a person has looked.
    Uncertain,
    /// YES, Y: means something only while an opt-in request waits for it; the caller knows.
    Yes,
    /// None of these.
    Other,
}

impl ReplyClass {
    /// Whether marketing to the number stops at once.
    pub const fn stops(self) -> bool {
        matches!(self, ReplyClass::OptOut | ReplyClass::WrongNumber)
    }
}

/// A reply's meaning and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What it asks for.
    pub class: ReplyClass,
    /// The rule that decided, as `keyword.en.stop`, `en.take-off`, `reaction`, `weights` or `none`.
    pub rule: &'static str,
    /// The version of rules and lists, see [`version`].
    pub version: &'static str,
    /// The language of the rule, as a BCP 47 tag; `None` if no rule decided.
    pub language: Option<&'static str>,
}

const KEYWORD_LIST: &str = include_str!("../../policies/lists/reply_keywords.tsv");
const WEIGHT_LIST: &str = include_str!("../../policies/lists/reply_weights.tsv");
const RULE_FILES: [&str; 17] = [
    include_str!("../../policies/lists/replies/en.txt"),
    include_str!("../../policies/lists/replies/es.txt"),
    include_str!("../../policies/lists/replies/fr.txt"),
    include_str!("../../policies/lists/replies/de.txt"),
    include_str!("../../policies/lists/replies/pt.txt"),
    include_str!("../../policies/lists/replies/it.txt"),
    include_str!("../../policies/lists/replies/nl.txt"),
    include_str!("../../policies/lists/replies/pl.txt"),
    include_str!("../../policies/lists/replies/tr.txt"),
    include_str!("../../policies/lists/replies/sv.txt"),
    include_str!("../../policies/lists/replies/ru.txt"),
    include_str!("../../policies/lists/replies/ja.txt"),
    include_str!("../../policies/lists/replies/ko.txt"),
    include_str!("../../policies/lists/replies/zh.txt"),
    include_str!("../../policies/lists/replies/ar.txt"),
    include_str!("../../policies/lists/replies/he.txt"),
    include_str!("../../policies/lists/replies/hi.txt"),
];

/// Counts changes of the code that reads the files; the files themselves are hashed.
const ENGINE: &str = "replies/7";

static KEYWORDS: LazyLock<Keywords> =
    LazyLock::new(|| Keywords::parse(KEYWORD_LIST).expect("the list is read by a test before every release"));
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::parse(&RULE_FILES).expect("the rule files are read by a test before every release")
});
static WEIGHTS: LazyLock<Weights> =
    LazyLock::new(|| Weights::parse(WEIGHT_LIST).expect("the list is read by a test before every release"));
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    [KEYWORD_LIST, WEIGHT_LIST].into_iter().chain(RULE_FILES).for_each(|file| hash.update(file));
    format!("{ENGINE}+{}", hex::encode(&hash.finalize()[..6]))
});

/// The rules of all languages and the words they know.
struct Rules {
    lexicon: Lexicon,
    packs: Vec<Pack>,
    /// For each word the packs that have something to say about it, one bit each.
    waking: Vec<u32>,
    /// The packs that must be asked about every reply.
    always: u32,
    /// Words around a keyword that change nothing, with the packs that say so, one bit each.
    fillers: HashMap<String, u32>,
}

impl Rules {
    fn parse(files: &[&'static str]) -> Result<Rules, String> {
        let mut lexicon = Lexicon::default();
        let mut packs = Vec::with_capacity(files.len());
        for (at, file) in files.iter().enumerate() {
            lexicon.file = at;
            let pack = Pack::parse(file, &mut lexicon)
                .map_err(|problem| format!("{}: {problem}", file.lines().next().unwrap_or_default()))?;
            packs.push(pack);
        }
        lexicon.finish();
        let mut waking = vec![0; lexicon.len() + 1];
        let mut always = 0;
        for (at, pack) in packs.iter_mut().enumerate() {
            pack.finish(&lexicon);
            pack.waking().for_each(|word| waking[usize::from(word)] |= 1 << at);
            always |= u32::from(pack.always_awake()) << at;
        }
        let mut fillers = HashMap::new();
        for (at, pack) in packs.iter().enumerate() {
            pack.fillers.iter().for_each(|word| *fillers.entry(word.clone()).or_insert(0) |= 1 << at);
        }
        Ok(Rules { lexicon, packs, waking, always, fillers })
    }

    /// Every rule of every language that matches somewhere in the reply. One word of a language the person is not known to
    /// read may be a word of another (`red` refuses in Turkish): unless half of the words are of that language, and more
    /// than of the person's, it only raises a doubt, and none at all in a reply of which half is of the person's. That
    /// language's guards and doubts count under the same condition.
    fn hits(&self, read: &[(WordId, usize)], languages: &[&str]) -> Vec<Hit> {
        let awake = read.iter().fold(self.always, |awake, (word, _)| awake | self.waking[usize::from(*word)]);
        let readable = |pack: &(usize, &Pack)| languages.contains(&pack.1.language);
        let own = self.packs.iter().enumerate().filter(readable).map(|(at, _)| self.words_of(read, at)).max();
        let own = own.unwrap_or(0);
        let mut hits = Vec::new();
        for (at, pack) in self.packs.iter().enumerate() {
            if awake & (1 << at) == 0 {
                continue;
            }
            let before = hits.len();
            pack.hits(read, &self.lexicon, &mut hits);
            if hits.len() > before && !languages.contains(&pack.language) {
                let of_it = self.words_of(read, at);
                let foreign = hits.split_off(before);
                let is_half = |words: usize| words * 2 >= read.len();
                let odds = Odds { likelier: is_half(of_it) && of_it > own, own: is_half(own) };
                hits.extend(foreign.into_iter().filter_map(|hit| hit.foreign(odds)));
            }
        }
        hits
    }

    /// Whether a reply speaks of an order or goods in one of these languages, and in none of messages.
    fn is_about_goods(&self, read: &[(WordId, usize)], languages: &[&str]) -> bool {
        let own = self.packs.iter().filter(|pack| languages.contains(&pack.language));
        own.fold(Subject::default(), |all, pack| all.or(pack.speaks_of(read))).is_goods()
    }

    /// The packs of some languages, one bit each.
    fn files_of(&self, languages: &[&str]) -> u32 {
        let read = self.packs.iter().enumerate().filter(|(_, pack)| languages.contains(&pack.language));
        read.fold(0, |files, (at, _)| files | 1 << at)
    }

    /// How many words of a reply stand in a file.
    fn words_of(&self, reply: &[(WordId, usize)], file: usize) -> usize {
        reply.iter().filter(|(word, _)| self.lexicon.is_of(*word, file)).count()
    }
}

/// The version of everything that decides here: changes when a rule, a list or the code that reads them does.
pub fn version() -> &'static str {
    &VERSION
}

/// Reads a reply. `languages` are the person's and the program's, as BCP 47 tags; English is always among them.
/// Never fails: any text, of any length, has a reading.
pub fn classify(text: &str, languages: &[&str]) -> Reading {
    let languages: Vec<String> = languages.iter().map(|tag| primary(tag)).collect();
    let languages: Vec<&str> = languages.iter().map(String::as_str).chain(["en"]).collect();
    if is_reaction(text) {
        return reading(ReplyClass::Other, "reaction", None);
    }
    let words = Words::of(text);
    if words.0.is_empty() && text.contains(GESTURES) {
        return reading(ReplyClass::Uncertain, "gesture", None);
    }
    match whole(&words, &languages) {
        Some(keyword) => reading(keyword.class, &keyword.rule, Some(keyword.language)),
        None => weighed_against(by_rules(&words.0, &languages), &words, text),
    }
}

/// Words of replies, and of sentences in them, that are weighed: a shorter one leaves too little to tell, in a longer one
/// what was asked for is lost among the rest.
const WEIGHED: std::ops::RangeInclusive<usize> = 3..=60;
/// A reply of fewer words is not doubted for its weight: a rule knows most of it.
const DOUBTED_FROM: usize = 4;
/// Below this a reply is so unlike an opt-out that a rule which reads one is doubted.
const DOUBT_BELOW: i32 = -300;
/// From this on a reply is an opt-out of which no rule says anything, or only that it may be one.
const OPT_OUT_FROM: i32 = 600;
/// Sentences of a reply that are weighed apart, the last ones.
const SENTENCES_MAX: usize = 8;

/// What the rules read, with what the reply weighs beside it.
fn weighed_against(read: Judged, words: &Words, text: &str) -> Reading {
    let Reading { class, rule, language, .. } = read.reading;
    if !matches!(class, ReplyClass::OptOut | ReplyClass::Other | ReplyClass::Uncertain) {
        return read.reading;
    }
    let Some(weight) = weight_of(words, text) else { return read.reading };
    match class {
        ReplyClass::OptOut if weight < DOUBT_BELOW && words.0.len() >= DOUBTED_FROM => {
            reading(ReplyClass::Uncertain, rule, language)
        }
        ReplyClass::Uncertain if weight >= OPT_OUT_FROM && !read.is_kept => {
            reading(ReplyClass::OptOut, rule, language)
        }
        ReplyClass::Other if weight >= OPT_OUT_FROM && !read.is_explained => {
            reading(ReplyClass::OptOut, "weights", None)
        }
        _ => read.reading,
    }
}

/// What a reply weighs: as a whole, or the sentence of it that weighs most.
fn weight_of(words: &Words, text: &str) -> Option<i32> {
    let ends = ['.', '!', '?', '\n', ';', '…', '。', '！', '？', '।', '؟', '۔'];
    let is_said = |part: &&str| part.contains(char::is_alphanumeric);
    let mut sentences = text.rsplit(ends).filter(is_said).take(SENTENCES_MAX).peekable();
    let whole = weight_of_words(words, text);
    // A single sentence is the whole.
    let Some(last) = sentences.next() else { return whole };
    if sentences.peek().is_none() {
        return whole;
    }
    let apart = std::iter::once(last).chain(sentences);
    whole.max(apart.filter_map(|part| weight_of_words(&Words::of(part), part)).max())
}

fn weight_of_words(words: &Words, text: &str) -> Option<i32> {
    WEIGHED.contains(&words.0.len()).then(|| WEIGHTS.of(&Pieces::of(words, text)))
}

/// What the second witness says of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weighed {
    /// In thousandths: above 0 the reply is more like the opt-outs of the corpus than like its other texts.
    pub weight: i32,
    /// The pieces that weigh most either way, heaviest first: rows of words, or of letters inside a word after `~`.
    pub pieces: Vec<(String, i32)>,
}

/// Weighs a reply, naming at most `most` pieces.
pub fn weigh(text: &str, most: usize) -> Weighed {
    let words = Words::of(text);
    let pieces = Pieces::of(&words, text);
    Weighed { weight: WEIGHTS.of(&pieces), pieces: WEIGHTS.heaviest(&pieces, most) }
}

/// Every piece of a reply, to learn weights from.
pub fn pieces(text: &str) -> Vec<String> {
    Pieces::of(&Words::of(text), text).written()
}

/// Without words these may say no.
const GESTURES: [char; 6] = ['✋', '🖐', '🖕', '👎', '🤬', '😡'];

/// The language a tag names, in the form the rule files use.
fn primary(tag: &str) -> String {
    let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    match primary.as_str() {
        "nb" | "nn" => "no".to_owned(),
        "iw" => "he".to_owned(),
        "in" => "id".to_owned(),
        _ => primary,
    }
}

fn reading(class: ReplyClass, rule: &'static str, language: Option<&'static str>) -> Reading {
    Reading { class, rule, version: version(), language }
}

/// The whole message as a listed word: as it is, without courtesies, said once instead of thrice, without spaces.
fn whole(words: &Words, languages: &[&str]) -> Option<&'static Keyword> {
    /// More words than any listed message and its courtesies.
    const WORDS_MAX: usize = 24;
    if words.0.len() > WORDS_MAX {
        return None;
    }
    let keywords: &'static Keywords = &KEYWORDS;
    let find = |words: &[String]| {
        keywords.whole(&words.join(" "), languages).or_else(|| {
            let short = words.iter().map(String::len).sum::<usize>() <= 24 && words.len() > 1;
            short.then(|| keywords.whole(&words.concat(), languages)).flatten()
        })
    };
    let disguised = |word: &String| {
        let plain = without_homoglyphs(word);
        [without_leet(&plain, 'i'), without_leet(&plain, 'l'), squeezed(&plain, 2, 1), squeezed(&plain, 1, 1)]
            .iter()
            .filter(|form| *form != word && form.chars().count() >= 3)
            .find_map(|form| keywords.whole(form, languages))
    };
    let fillers: Vec<u32> =
        words.0.iter().map(|word| RULES.fillers.get(word).copied().unwrap_or(0)).collect();
    let bare_in = |packs: u32| {
        let from = fillers.iter().take_while(|filler| *filler & packs != 0).count();
        let kept = fillers[from..].iter().rposition(|filler| filler & packs == 0).map_or(0, |last| last + 1);
        let bare = &words.0[from..from + kept];
        if bare.len() > 1 && bare.iter().all(|word| *word == bare[0]) { &bare[..1] } else { bare }
    };
    let own = RULES.files_of(languages);
    let bare = bare_in(own);
    let found = find(&words.0).or_else(|| find(bare)).or_else(|| match bare {
        [word] => disguised(word),
        _ => None,
    });
    // The courtesies of another language go only with a word of that language.
    let others = (fillers.first().unwrap_or(&0) | fillers.last().unwrap_or(&0)) & !own;
    found.or_else(|| {
        let foreign = |(at, pack): (usize, &'static Pack)| {
            let bare = (others & (1 << at) != 0).then(|| bare_in(1 << at))?;
            find(bare).filter(|keyword| keyword.language.starts_with(pack.language))
        };
        RULES.packs.iter().enumerate().find_map(foreign)
    })
}

/// What the rules say.
struct Judged {
    reading: Reading,
    /// A rule knows the words and says that they mean something harmless.
    is_explained: bool,
    /// A rule reads that messages may go on.
    is_kept: bool,
}

fn by_rules(words: &[String], languages: &[&str]) -> Judged {
    let read = RULES.lexicon.read(words);
    let hits = RULES.hits(&read, languages);
    // A guard inside a longer row of words explains none of it: the row means what it means as a whole.
    let is_within = |g: &Hit, hit: &Hit| !hit.is_loose && hit.words.0 < g.words.0 && g.words.1 < hit.words.1;
    let under = |hit: &Hit, kind: Kind| {
        let touches = |g: &Hit| g.words.0 < hit.words.1 && hit.words.0 < g.words.1;
        hits.iter().any(|g| g.kind == kind && touches(g) && !(kind == Kind::Guard && is_within(g, hit)))
    };
    let counts = |hit: &&Hit| match hit.kind {
        Kind::Guard | Kind::NotWrong | Kind::Excuse | Kind::Keep => false,
        Kind::OptIn | Kind::Yes | Kind::Help => languages.contains(&hit.language) && !under(hit, Kind::Guard),
        Kind::Uncertain => !under(hit, Kind::Guard) && !under(hit, Kind::Excuse),
        Kind::OptOut => !under(hit, Kind::Guard),
        Kind::WrongNumber => !under(hit, Kind::Guard) && !under(hit, Kind::NotWrong),
    };
    // Of equal weight, one of the person's languages, of words in a row, the first in the text and the longest, so that
    // the rule named is the one a reader would name.
    let weight = |hit: &&Hit| {
        let own = languages.contains(&hit.language);
        (hit.kind, own, !hit.is_loose, std::cmp::Reverse(hit.words.0), hit.words.1)
    };
    let is_doubtful = || {
        // Who speaks of an order and of no message may well mean the order; who wants messages to go on means something else.
        RULES.is_about_goods(&read, languages) || hits.iter().any(|hit| hit.kind == Kind::Keep)
    };
    // A listed word inside a sentence, unless the words around it say that it is no matter of messages.
    let is_explained = |key: &str| {
        let explains = |g: &Hit| g.kind == Kind::Guard && words[g.words.0..g.words.1].join(" ").contains(key);
        hits.iter().any(explains)
    };
    if let Some((key, keyword)) = KEYWORDS.anywhere(&words.join(" "))
        && !is_explained(key)
    {
        let doubted = keyword.class.stops() && is_doubtful();
        let class = if doubted { ReplyClass::Uncertain } else { keyword.class };
        let reading = reading(class, &keyword.rule, Some(keyword.language));
        return Judged {
            reading,
            is_explained: false,
            is_kept: hits.iter().any(|hit| hit.kind == Kind::Keep),
        };
    }
    let reading = match hits.iter().filter(counts).rev().max_by_key(weight) {
        Some(hit) if class_of(hit.kind).stops() && is_doubtful() => {
            reading(ReplyClass::Uncertain, hit.rule, Some(hit.language))
        }
        Some(hit) => reading(class_of(hit.kind), hit.rule, Some(hit.language)),
        None => reading(ReplyClass::Other, "none", None),
    };
    let any = |kinds: &[Kind]| hits.iter().any(|hit| kinds.contains(&hit.kind));
    Judged {
        reading,
        is_explained: any(&[Kind::Guard, Kind::Excuse, Kind::Keep]),
        is_kept: any(&[Kind::Keep]),
    }
}

fn class_of(kind: Kind) -> ReplyClass {
    match kind {
        Kind::Guard | Kind::NotWrong | Kind::Excuse | Kind::Keep => ReplyClass::Other,
        Kind::OptIn => ReplyClass::OptIn,
        Kind::Yes => ReplyClass::Yes,
        Kind::Help => ReplyClass::Help,
        Kind::Uncertain => ReplyClass::Uncertain,
        Kind::OptOut => ReplyClass::OptOut,
        Kind::WrongNumber => ReplyClass::WrongNumber,
    }
}

/// A phone tells the sender of a reaction by quoting the message: an opening word, then a long quotation to the end.
fn is_reaction(text: &str) -> bool {
    const QUOTED_MIN: usize = 12;
    let text = text.trim();
    let Some((before, quoted)) = text.split_once(['“', '"', '«', '„']) else { return false };
    let closed = quoted.ends_with(['”', '"', '»', '“']) && quoted.chars().count() > QUOTED_MIN;
    closed && {
        let opening = Words::of(before).0;
        RULES.packs.iter().flat_map(|pack| &pack.reactions).any(|reaction| *reaction == opening)
    }
}

#[cfg(test)]
mod tests;
