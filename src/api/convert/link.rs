//! Short links and clicks on the wire.

use crate::api::convert::{maybe_timestamp, timestamp};
use crate::model::cart::{Click, Link};
use crate::pb::consentry::v1 as wire;

/// A link, with how it is written out.
pub fn link(link: &Link, url: String) -> wire::Link {
    wire::Link {
        code: link.code.to_string(),
        url,
        brand: link.brand.to_string(),
        target_url: link.target.clone(),
        expires_at: Some(timestamp(link.expires_at)),
        message_id: link.message.map(|id| id.to_string()).unwrap_or_default(),
        created_at: Some(timestamp(link.created_at)),
        raw_clicks: link.raw_clicks,
        human_clicks: link.human_clicks,
        first_human_click_at: maybe_timestamp(link.first_human_at),
        opt_out: link.opt_out,
    }
}

/// A click on that link; who may not see user agents gets none.
pub fn click(click: &Click, link: &Link, shows_agent: bool) -> wire::Click {
    let class = match click.class.as_str() {
        "human" => wire::ClickClass::Human,
        "prefetch" => wire::ClickClass::Prefetch,
        "preview" => wire::ClickClass::Preview,
        "scanner" => wire::ClickClass::Scanner,
        "head" => wire::ClickClass::Head,
        _ => wire::ClickClass::Other,
    };
    wire::Click {
        clicked_at: Some(timestamp(click.at)),
        code: link.code.to_string(),
        brand: link.brand.to_string(),
        message_id: link.message.map(|id| id.to_string()).unwrap_or_default(),
        click_class: class.into(),
        human: click.human,
        classifier_version: click.classifier,
        user_agent: if shows_agent { click.user_agent.clone() } else { String::new() },
    }
}
