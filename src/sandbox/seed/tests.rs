//! The wordings of the sandbox pass every check, and its phones are numbers.

use super::*;
use crate::consent::check_disclosure;
use crate::model::phone::parse_for_sending;

fn settings() -> SeedSettings {
    SeedSettings {
        host: "gw.acme.localhost".to_owned(),
        short_domain: "go.acme.localhost:8080".to_owned(),
        checkout_host: "localhost".to_owned(),
        carrier_settings: Vec::new(),
        carrier_secrets: Vec::new(),
        public_url: String::new(),
        api_key: None,
    }
}

#[test]
fn nothing_speaks_against_the_wordings() {
    let [reminders, _] = objects::programs();
    for disclosure in objects::disclosures() {
        let found = check_disclosure(&disclosure, &objects::brand(&settings()), &reminders);
        assert_eq!(found, [], "{}", disclosure.id);
    }
}

#[test]
fn every_phone_is_a_number_of_the_plan() {
    for phone in phones() {
        let parsed = parse_for_sending(phone.number.as_str(), None).expect("a number");
        assert!(parsed.valid, "{}", phone.label);
    }
}
