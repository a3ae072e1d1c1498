//! Most texts about one cart, whoever they went to: one for US carriers, two for the house.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::{Code, Medium};
use crate::policy::Value;

const BRAND: Ground<'_> = Ground { id: "brand/cart_cap", citation: "the brand's own limit" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.facts.cart.is_none() {
        return;
    }
    let sent = |media: &[Medium]| case.touches.of_cart(case.facts, media).len();
    let detail = |sent: usize, most: u32| format!("{sent} messages about this cart, at most {most}");
    for rule in case.rules() {
        let Value::CartCap(cap) = &rule.value else { continue };
        let sent = sent(&cap.media);
        if sent >= cap.at_most as usize {
            findings.refuse(rule, Code::CartCap, detail(sent, cap.at_most));
        }
    }
    if let Some(most) = case.facts.brand.profile.per_cart.filter(|_| case.is_sms()) {
        let sent = sent(&[Medium::Sms]);
        if sent >= most as usize {
            findings.refuse(BRAND, Code::CartCap, detail(sent, most));
        }
    }
}
