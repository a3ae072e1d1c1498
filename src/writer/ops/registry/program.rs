//! Programs and stored texts. A program's category decides which rules apply, so it changes only when an operator says so.

use std::collections::BTreeSet;

use super::{OBJECTS_MAX, Problems};
use crate::content::fold::fold;
use crate::content::links::target_host;
use crate::content::render::Template as Text;
use crate::inbound::reply::{ReplyClass, classify};
use crate::ledger::body::Object;
use crate::ledger::rows::{RegistryRow, keys};
use crate::model::registry::{Keyword, Program, Template};
use crate::model::{BrandId, Category};
use crate::writer::cx::Cx;
use crate::writer::op::OpError;

const KEYWORDS_MAX: usize = 16;
const SENDERS_MAX: usize = 16;
/// Languages whose HELP, START and YES a keyword must not be; STOP is refused in every language.
const LANGUAGES: [&str; 3] = ["en", "es", "fr"];

pub(super) fn check(
    cx: &mut Cx<'_>,
    problems: &mut Problems,
    program: &Program,
    old: Option<&Program>,
    category_may_change: bool,
) -> Result<(), OpError> {
    problems.demand(cx.brand(program.brand.as_str())?.is_some(), "brand", "does not exist");
    if let Some(old) = old {
        problems.demand(old.brand == program.brand, "brand", "is fixed");
        let same = old.category == program.category || category_may_change;
        problems.demand(same, "category", "is fixed, unless an operator says that it is to change");
    }
    problems.demand(!program.channels.is_empty(), "channels", "must be 1 or 2");
    check_senders(cx, problems, program)?;
    check_keywords(cx, problems, program)?;
    let links = [("terms_url", &program.terms_url), ("privacy_url", &program.privacy_url)];
    if program.category == Category::Marketing {
        for (field, given) in links.into_iter().chain([("frequency", &program.frequency)]) {
            problems.demand(!given.is_empty(), field, "is required for marketing");
        }
    }
    for (field, url) in links {
        if !url.is_empty()
            && let Err(rule) = target_host(url)
        {
            problems.add(field, rule);
        }
    }
    Ok(())
}

fn check_senders(cx: &mut Cx<'_>, problems: &mut Problems, program: &Program) -> Result<(), OpError> {
    problems.demand(program.senders.len() <= SENDERS_MAX, "senders", "must be at most 16");
    for (n, id) in program.senders.iter().enumerate() {
        let field = format!("senders[{n}]");
        problems.demand(!program.senders[..n].contains(id), &field, "stands there twice");
        match cx.sender(id.as_str())? {
            None => problems.add(field, format!("sender {id} does not exist")),
            Some(sender) => {
                let fits = sender.brands.is_empty() || sender.brands.contains(&program.brand);
                problems.demand(fits, &field, "may not speak for this brand");
            }
        }
    }
    Ok(())
}

/// A word must mean one program wherever it is texted, and never be taken for STOP, HELP or START.
fn check_keywords(cx: &mut Cx<'_>, problems: &mut Problems, program: &Program) -> Result<(), OpError> {
    problems.demand(program.keywords.len() <= KEYWORDS_MAX, "keywords", "must be at most 16");
    let taken = words_of_neighbours(cx, program)?;
    let mut own = BTreeSet::new();
    for (n, keyword) in program.keywords.iter().enumerate() {
        let field = format!("keywords[{n}].word");
        let word = normalised(keyword);
        let letters = keyword.word.chars().all(char::is_alphanumeric);
        let shape = letters && (2..=32).contains(&keyword.word.chars().count());
        problems.demand(shape, &field, "must be 2 to 32 letters and digits");
        let reserved = classify(&keyword.word, &LANGUAGES).class != ReplyClass::Other;
        problems.demand(!reserved, &field, "is taken for a stop, help, start or yes word");
        problems.demand(own.insert(word.clone()), &field, "stands there twice");
        if let Some((_, other)) = taken.iter().find(|(w, _)| *w == word) {
            problems.add(field, format!("is a keyword of program {other} on the same sender"));
        }
        let field = format!("keywords[{n}].disclosure");
        match brand_of_disclosure(cx, keyword)? {
            None => problems.add(field, format!("disclosure {} does not exist", keyword.disclosure)),
            Some(brand) => problems.demand(brand == program.brand, &field, "belongs to another brand"),
        }
    }
    Ok(())
}

/// Keywords of other programs that share a sender with this one.
fn words_of_neighbours(cx: &mut Cx<'_>, program: &Program) -> Result<Vec<(String, String)>, OpError> {
    let mut words = Vec::new();
    for other in cx.programs(OBJECTS_MAX)? {
        let shares = other.senders.iter().any(|s| program.senders.contains(s));
        if other.id != program.id && shares {
            words.extend(other.keywords.iter().map(|k| (normalised(k), other.id.to_string())));
        }
    }
    Ok(words)
}

/// A disclosure has a row a version; any of them tells the brand.
fn brand_of_disclosure(cx: &mut Cx<'_>, keyword: &Keyword) -> Result<Option<BrandId>, OpError> {
    let prefix = keys::registry("disclosure", keyword.disclosure.as_str());
    let rows = cx.state.scan::<RegistryRow>(&prefix, None, OBJECTS_MAX)?;
    Ok(rows.iter().find_map(|(_, row)| match &row.object {
        Object::Disclosure(d) if d.id == keyword.disclosure => Some(d.brand.clone()),
        _ => None,
    }))
}

fn normalised(keyword: &Keyword) -> String {
    fold(&keyword.word).chars().filter(|c| c.is_alphanumeric()).collect()
}

pub(super) fn check_template(
    cx: &mut Cx<'_>,
    problems: &mut Problems,
    template: &Template,
    old: Option<&Template>,
) -> Result<(), OpError> {
    problems.demand(cx.brand(template.brand.as_str())?.is_some(), "brand", "does not exist");
    problems.demand(old.is_none_or(|old| old.brand == template.brand), "brand", "is fixed");
    if let Some(id) = &template.program {
        let found = cx.program(id.as_str())?;
        problems.demand(found.is_some(), "program", "does not exist");
        let fits = found.is_none_or(|program| program.brand == template.brand);
        problems.demand(fits, "program", "belongs to another brand");
    }
    if let Err(errors) = Text::parse(&template.body) {
        errors.iter().for_each(|error| problems.add("body", error.to_string()));
    }
    Ok(())
}
