//! A push message before it is judged: which installation, which sender, what it shows; and who gets a text instead.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{SendRequest, text};
use crate::content::contact::add_contact;
use crate::content::language::Language;
use crate::content::wording::{HowToStop, complete, names_brand, says_how_to_stop, stop_wording};
use crate::model::device::Device;
use crate::model::notification::{Notification, NotificationAction, PushSpec, PushWords};
use crate::model::outgoing::{MessageCoupon, MessageLink};
use crate::model::registry::{Brand, Program, Sender};
use crate::model::subject::{Address, Subject};
use crate::model::{
    BrandId, Category, Channel, ConsentState, Instant, ProgramId, SenderId, SubjectId, ZoneName,
};
use crate::policy::value::ContentDuty;
use crate::writer::ops::Target;
use crate::writer::ops::link::{opt_out_url, short_url};
use crate::writer::{Cx, Held, OpError};

/// The address a message goes to, and how.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::writer::ops) struct Way {
    pub to: Address,
    pub channel: Channel,
    /// Whose telephone gets it as a text, should no installation show it at dispatch.
    pub text_to: Option<SubjectId>,
    /// Any installation of the person will do.
    pub any_installation: bool,
}

/// The way of a request. Where a text is wanted instead and nothing can show a notification, it is one from here on.
pub(super) fn way(cx: &mut Cx<'_>, request: &SendRequest) -> Result<Way, OpError> {
    let sms = |to| Way { to, channel: Channel::Sms, text_to: None, any_installation: false };
    if request.channel == Channel::Sms {
        return Ok(sms(cx.address_of(&request.target)?));
    }
    let found = installations(cx, request)?;
    let phone = match request.fallback_to_sms {
        true => telephone(cx, &request.target)?,
        false => None,
    };
    let best = found.into_iter().next();
    if let Some(phone) = phone.clone().filter(|_| best.as_ref().is_none_or(|(_, device)| !device.can_show()))
    {
        return Ok(sms(phone));
    }
    let to = match (&best, &request.target) {
        (Some((subject, _)), _) => subject.address.clone(),
        (None, Target::Customer(customer)) => {
            let what = "customer with an installation of an app of this brand";
            return Err(OpError::NotFound { what, id: customer.to_string() });
        }
        (None, target) => cx.address_of(target)?,
    };
    let text_to = match phone {
        Some(phone) => cx.find_subject(&phone)?.0.map(|subject| subject.id),
        None => None,
    };
    let any_installation = !matches!(request.target, Target::Device { .. });
    Ok(Way { to, channel: Channel::Push, text_to, any_installation })
}

type Installation = (Arc<Subject>, Device);

/// Installations a target means, the best first. One named outright is that one, whatever brand its app is of.
fn installations(cx: &mut Cx<'_>, request: &SendRequest) -> Result<Vec<Installation>, OpError> {
    let mut people: Vec<Arc<Subject>> = Vec::new();
    for subject in cx.subjects_of(&request.target)? {
        let reached = match &request.target {
            Target::Phone(_) => cx.reach(&subject)?,
            _ => vec![subject],
        };
        for member in reached {
            if people.iter().all(|known| known.id != member.id) {
                people.push(member);
            }
        }
    }
    let named = matches!(request.target, Target::Device { .. });
    let mut found = with_devices(cx, people)?;
    found.retain(|(_, device)| named || device.brand == request.brand);
    sort(&mut found, &request.brand, &request.program);
    Ok(found)
}

fn with_devices(cx: &mut Cx<'_>, people: Vec<Arc<Subject>>) -> Result<Vec<Installation>, OpError> {
    let mut found = Vec::new();
    for subject in people {
        if let Some(row) = cx.device(&subject.id)? {
            found.push((subject, row.device.clone()));
        }
    }
    Ok(found)
}

/// First what can show it, then where the person agreed to this program, then what they used last.
fn sort(found: &mut [Installation], brand: &BrandId, program: &ProgramId) {
    let agreed = |subject: &Subject| {
        subject.consents.iter().any(|c| {
            c.channel == Channel::Push
                && c.state == ConsentState::Granted
                && c.brand == *brand
                && c.program == *program
        })
    };
    found.sort_by_key(|(subject, device)| {
        (Reverse(device.can_show()), Reverse(agreed(subject)), Reverse(device.observed_at), subject.id)
    });
}

/// Another installation of the person that can show a message of this brand now.
pub(in crate::writer::ops) fn other_installation(
    cx: &mut Cx<'_>,
    own: &Subject,
    brand: &BrandId,
    program: &ProgramId,
) -> Result<Option<Address>, OpError> {
    let mut others = cx.reach(own)?;
    others.retain(|member| member.id != own.id);
    let mut found = with_devices(cx, others)?;
    found.retain(|(_, device)| device.can_show() && device.brand == *brand);
    sort(&mut found, brand, program);
    Ok(found.first().map(|(subject, _)| subject.address.clone()))
}

/// The one telephone of whoever a target means; none: they have none.
fn telephone(cx: &mut Cx<'_>, target: &Target) -> Result<Option<Address>, OpError> {
    if let Target::Phone(_) = target {
        return Ok(Some(cx.address_of(target)?));
    }
    let mut phones: Vec<Address> = Vec::new();
    for subject in cx.subjects_of(target)? {
        for member in cx.reach(&subject)? {
            if matches!(member.address, Address::Phone(_)) && !phones.contains(&member.address) {
                phones.push(member.address.clone());
            }
        }
    }
    match phones.len() {
        0 | 1 => Ok(phones.pop()),
        n => Err(OpError::Precondition(format!(
            "fallback_to_sms needs a customer with one phone number, and there are {n}; send the text on its own"
        ))),
    }
}

/// Whether a sender carries notifications to an installation: it stands for its app, and its connection speaks to its
/// push service.
fn carries(cx: &mut Cx<'_>, sender: &Sender, app: &str, device: &Device) -> Result<bool, OpError> {
    let connection = cx.connection(sender.connection.as_str())?;
    let speaks = connection.is_some_and(|connection| connection.provider == device.platform.provider());
    Ok(speaks && sender.address == app)
}

/// The sender of a notification: the one asked for, if it fits; else the first of the program's that does.
pub(super) fn sender(
    cx: &mut Cx<'_>,
    asked: Option<&SenderId>,
    program: &Program,
    subject: &Subject,
) -> Result<Option<Held<Sender>>, OpError> {
    let asked = match asked {
        Some(id) => match cx.sender(id.as_str())? {
            Some(sender) => Some(sender),
            None => return Err(OpError::NotFound { what: "sender", id: id.to_string() }),
        },
        None => None,
    };
    // Without an installation the verdict says what is missing.
    let Address::Device { app, .. } = &subject.address else { return Ok(asked) };
    let Some(row) = cx.device(&subject.id)? else { return Ok(asked) };
    if let Some(sender) = asked {
        if !carries(cx, &sender, app, &row.device)? {
            let platform = row.device.platform.provider();
            let rule =
                format!("must be a sender of app {app} on a {platform} connection, as the installation is");
            return Err(OpError::Invalid { field: "sender", rule });
        }
        return Ok(Some(sender));
    }
    let mut fitting = Vec::new();
    for id in &program.senders {
        let Some(sender) = cx.sender(id.as_str())? else { continue };
        if super::route::serves(&sender, &program.brand, Channel::Push)
            && carries(cx, &sender, app, &row.device)?
        {
            fitting.push(sender);
        }
    }
    let at = fitting.iter().position(|sender| super::route::is_usable(sender)).unwrap_or(0);
    Ok((!fitting.is_empty()).then(|| fitting.swap_remove(at)))
}

/// What a notification is made of besides its words.
pub(super) struct Makings<'a> {
    pub brand: &'a Brand,
    pub program: &'a Program,
    pub link: Option<&'a MessageLink>,
    pub with_coupon: bool,
    pub label: Option<&'a str>,
    /// What laws of the places in question want a notification to say by itself.
    pub duties: &'a [ContentDuty],
    pub language: Language,
    /// The cart, or the message itself.
    pub collapse_key: String,
}

/// Fills in everything but the coupon. The label a law wants stands before the headline. The brand's name, its contact and the
/// way to stop are added where a law asks for them and they are missing; elsewhere the system shows the app's name, and the app leads to
/// the opt-out page.
pub(super) fn render(
    words: &PushWords,
    variables: &[(String, String)],
    of: &Makings<'_>,
) -> Result<Notification, OpError> {
    let filled = text::placeholders(of.brand, of.link, of.with_coupon);
    let variables: BTreeMap<String, String> = variables.iter().cloned().collect();
    let fill = |field, words: &str| text::fill_in(field, words, &filled, &variables);
    let mut title = fill("push.title", &words.title)?;
    let body = fill("push.body", &words.body)?;
    let brand = &of.brand.display_name;
    if of.duties.contains(&ContentDuty::BrandName) && !names_brand(&format!("{title}\n{body}"), brand) {
        title = complete(&title, brand, of.language, None).text;
    }
    if let Some(label) = of.label.filter(|label| !title.to_lowercase().starts_with(&label.to_lowercase())) {
        title = format!("{label} {}", title.trim_start());
    }
    let short = |link: &MessageLink| short_url(&of.brand.short_domain, &link.code);
    let leads = of.link.filter(|link| !link.opt_out).map(short).unwrap_or_default();
    let deep_link = if words.deep_link.is_empty() { leads } else { words.deep_link.clone() };
    let marketing = of.program.category == Category::Marketing;
    let way_out = |link: &MessageLink| opt_out_url(&of.brand.short_domain, &link.code);
    let stop = of.link.filter(|_| of.duties.contains(&ContentDuty::OptOutWording)).map(way_out);
    let stoppable = |body: String| match stop.as_deref().map(HowToStop::Link) {
        Some(how) if !says_how_to_stop(&format!("{title}\n{body}"), how) => {
            format!("{} {}", body.trim_end(), stop_wording(of.language, how))
        }
        _ => body,
    };
    let whole = stoppable(body.clone());
    let seen = format!("{title}\n{whole}\n{deep_link}");
    let body = match text::is_reachable(&seen, text::strictest(of.duties), of.brand) {
        true => whole,
        false => stoppable(add_contact(&body, &of.brand.support_contact, of.language)),
    };
    let content = Notification {
        title,
        body,
        image_url: words.image_url.clone(),
        deep_link,
        opt_out_url: of.link.filter(|_| marketing).map(way_out).unwrap_or_default(),
        collapse_key: words.collapse_key.clone().unwrap_or_else(|| of.collapse_key.clone()),
        actions: words.actions.iter().map(NotificationAction::clone).collect(),
    };
    let bytes = content.bytes();
    if bytes > Notification::BYTES_MAX {
        let most = Notification::BYTES_MAX;
        let rule = format!("is {bytes} bytes with its links and buttons; push services carry {most}");
        return Err(OpError::Invalid { field: "push", rule });
    }
    Ok(content)
}

/// A notification of plain words, to one installation and nowhere else: what the gateway says by itself. Tapping it leads
/// nowhere; the opt-out page is told to the app where there is one.
pub(super) fn plain(title: &str, body: String, way_out: String, collapse_key: String) -> PushSpec {
    let words = PushWords {
        title: title.to_owned(),
        body: body.clone(),
        image_url: String::new(),
        deep_link: String::new(),
        collapse_key: None,
        actions: Vec::new(),
    };
    let content = Notification {
        title: title.to_owned(),
        body,
        image_url: String::new(),
        deep_link: String::new(),
        opt_out_url: way_out,
        collapse_key,
        actions: Vec::new(),
    };
    PushSpec {
        preview: content.clone(),
        content,
        words,
        variables: Vec::new(),
        link_url: String::new(),
        any_installation: false,
        text_to: None,
    }
}

/// A notification with the coupon filled in as it would be, or is, at dispatch.
pub(in crate::writer::ops) fn filled(
    cx: &Cx<'_>,
    content: &Notification,
    coupon: Option<&MessageCoupon>,
    ends: Option<Instant>,
    zone: &ZoneName,
    language: Language,
) -> Notification {
    let fill = |words: &str| text::fill(words, coupon, ends, zone, cx, language);
    Notification { title: fill(&content.title), body: fill(&content.body), ..content.clone() }
}
