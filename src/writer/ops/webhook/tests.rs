//! How far a text is believed.

use super::*;
use crate::inbound::event::InboundText;
use crate::ledger::body::Object;
use crate::provider::faults;
use crate::writer::ops::fixture::shop;

#[test]
fn a_weakly_signed_text_may_stop_but_never_start() {
    let mut writer = shop();
    writer.set_up([Object::Connection(faults::connection("plivo", &[("auth_id", "MA1")]))]);
    for (n, (text, weak, class)) in [
        ("START", false, "OPT_IN"),
        ("START", true, "UNCERTAIN"),
        ("YES", true, "UNCERTAIN"),
        ("STOP", true, "OPT_OUT"),
        ("wrong number", true, "WRONG_NUMBER"),
        ("when do you open?", true, "OTHER"),
    ]
    .into_iter()
    .enumerate()
    {
        let event = InboundText {
            provider_id: format!("m{n}"),
            from: format!("121255501{n:02}"),
            to: "18555550100".to_owned(),
            text: text.to_owned(),
            provider_flag: None,
            received_at: None,
            weak,
        };
        let delivery = Delivery {
            connection: "main".parse().expect("a slug"),
            raw: None,
            events: vec![InboundEvent::Text(event)],
            listening: false,
        };
        let received = writer.run(ReceiveTexts(delivery)).expect("taken");
        assert_eq!(received.texts[0].class, class, "{text} weak {weak}: {}", received.texts[0].rule);
        assert_eq!(received.review, usize::from(class == "UNCERTAIN"), "{text} weak {weak}");
    }
    writer.check_fold();
}
