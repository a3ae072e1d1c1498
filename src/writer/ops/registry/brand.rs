//! Brands: whose domains they own and where their links may lead.

use super::{OBJECTS_MAX, Problems, is_host};
use crate::content::links::{is_shared_shortener, target_host};
use crate::model::registry::Brand;
use crate::writer::cx::Cx;
use crate::writer::op::OpError;

const TARGET_DOMAINS_MAX: usize = 32;

pub(super) fn check(cx: &mut Cx<'_>, problems: &mut Problems, brand: &Brand) -> Result<(), OpError> {
    let short = brand.short_domain.as_str();
    if !short.is_empty() {
        problems.demand(is_host(short), "short_domain", "must be a host name, as in go.shop.example");
        let own = !is_shared_shortener(short);
        problems.demand(
            own,
            "short_domain",
            "is a shortener that many share; carriers block those: use your own",
        );
        let seller = cx.env.seller.to_string();
        let host = cx.seller(&seller)?.map(|s| s.host.clone()).unwrap_or_default();
        let rule = "is the gateway's own host: short links need one of their own";
        problems.demand(host != short, "short_domain", rule);
    }
    let counted = brand.target_domains.len() <= TARGET_DOMAINS_MAX;
    problems.demand(counted, "target_domains", "must be at most 32");
    for (n, domain) in brand.target_domains.iter().enumerate() {
        let field = format!("target_domains[{n}]");
        problems.demand(is_host(domain), &field, "must be a host name, as in shop.example");
        problems.demand(!is_shared_shortener(domain), &field, "is a shortener that many share");
        let twice = brand.target_domains[..n].contains(domain);
        problems.demand(!twice, &field, "stands there twice");
    }
    if !brand.fallback_url.is_empty() {
        problems.target("fallback_url", &brand.fallback_url, brand);
        let circles = target_host(&brand.fallback_url).is_ok_and(|host| host == short);
        let rule = "leads back to the short domain: people would go in circles";
        problems.demand(!circles, "fallback_url", rule);
    }
    Ok(())
}

/// A short domain leads to one brand only.
pub(super) fn unique(cx: &mut Cx<'_>, brand: &Brand) -> Result<(), OpError> {
    if brand.short_domain.is_empty() {
        return Ok(());
    }
    let others = cx.brands(OBJECTS_MAX)?;
    let taken = others.iter().any(|b| b.id != brand.id && b.short_domain == brand.short_domain);
    if taken {
        return Err(OpError::Exists { what: "brand with the short_domain", id: brand.short_domain.clone() });
    }
    Ok(())
}
