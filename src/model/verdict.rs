//! What a decision says: admit, hold or refuse, with every reason. The list of codes lives here and nowhere else.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::instant::Instant;
use super::jurisdiction::Jurisdiction;
use super::zone::ZoneName;

macro_rules! codes {
    ($($number:literal $name:ident $text:literal $doc:literal,)*) => {
        /// Why something was refused, held or remarked on. Texts and numbers are public and never reused;
        /// callers must take a code they do not know as "refused or held, read the detail".
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum Code {
            $(#[doc = $doc] $name,)*
            /// A code of another release.
            Other(Arc<str>),
        }

        impl Code {
            /// Every code of this release, in the order of their numbers.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The public text, as in `QUIET_HOURS`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Code::$name => $text,)*
                    Code::Other(text) => text,
                }
            }
            /// The number reasons are sorted by; codes of other releases come last.
            pub const fn number(&self) -> u16 {
                match self {
                    $(Code::$name => $number,)*
                    Code::Other(_) => u16::MAX,
                }
            }
            /// One sentence for officers and documentation.
            pub const fn meaning(&self) -> &'static str {
                match self {
                    $(Code::$name => $doc,)*
                    Code::Other(_) => "A code of another release.",
                }
            }
        }

        impl From<&str> for Code {
            fn from(text: &str) -> Code {
                match text {
                    $($text => Code::$name,)*
                    other => Code::Other(other.into()),
                }
            }
        }
    };
}

codes! {
    // The person and their wishes: 100
    100 ConsentMissing "CONSENT_MISSING" "No consent covers this program, channel and message.",
    101 ConsentPending "CONSENT_PENDING" "The person has not confirmed yet.",
    102 ConsentExpired "CONSENT_EXPIRED" "The consent ran out.",
    103 ConsentRenewalDue "CONSENT_RENEWAL_DUE" "The consent carries, but ends soon unless it is renewed as the law asks.",
    104 ConsentIdle "CONSENT_IDLE" "The consent carries, but nothing was sent under it for long: it lapses unless it is used or given anew.",
    110 OptedOut "OPTED_OUT" "The person refused messages of this kind.",
    111 Suppressed "SUPPRESSED" "The address is suppressed.",
    112 DoNotCall "DO_NOT_CALL" "A do-not-call register or list names the number.",
    113 Preference "PREFERENCE" "The person's own settings forbid it.",
    114 NightConsentMissing "NIGHT_CONSENT_MISSING" "Night messages need a consent of their own.",
    115 OptOutLate "OPT_OUT_LATE" "The opt-out was recorded after the time the law gives.",
    // The number: 130
    130 NumberInvalid "NUMBER_INVALID" "The number cannot exist.",
    131 NumberType "NUMBER_TYPE" "The number cannot receive texts.",
    132 NumberChanged "NUMBER_CHANGED" "The number changed hands or died; its grants are void.",
    133 NumberReassigned "NUMBER_REASSIGNED" "A reassigned-numbers database says the number has a new owner.",
    134 NumberCheckStale "NUMBER_CHECK_STALE" "A number check the rules ask for is missing or too old.",
    135 PushPermissionMissing "PUSH_PERMISSION_MISSING" "The installation may not show notifications.",
    // Place and time: 150
    150 CountryUnsupported "COUNTRY_UNSUPPORTED" "No rule pack covers the country.",
    151 LocationUnknown "LOCATION_UNKNOWN" "Nobody can say which rules or clocks apply.",
    152 QuietHours "QUIET_HOURS" "It is outside the permitted hours where the person may be.",
    153 Holiday "HOLIDAY" "It is a day without marketing where the person may be.",
    154 NoLegalWindow "NO_LEGAL_WINDOW" "No permitted instant lies within seven days and before the message's end.",
    155 EmergencyBan "EMERGENCY_BAN" "A declared ban holds where the person may be.",
    156 MessageExpired "MESSAGE_EXPIRED" "The message's time has passed.",
    157 PolicyStale "POLICY_STALE" "A rule is past its review date.",
    158 WindowWaived "WINDOW_WAIVED" "Hours that would bind are lifted by a consent, as the policy set allows.",
    // How often: 170
    170 CartCap "CART_CAP" "The cart has had as many messages as it may.",
    171 CartSpacing "CART_SPACING" "Too soon after the last message about this cart.",
    172 TouchSpacing "TOUCH_SPACING" "Too soon after the person was reached some other way.",
    173 CartStale "CART_STALE" "The cart was abandoned too long ago.",
    174 CartClosed "CART_CLOSED" "The cart was bought, emptied or has expired.",
    175 RecipientCap "RECIPIENT_CAP" "The person has had as many messages from this seller as they may.",
    176 JurisdictionCap "JURISDICTION_CAP" "The law's cap on messages to this person is reached.",
    177 SubjectBusy "SUBJECT_BUSY" "Too much is open for this person; nothing more is taken on.",
    // Program and sender: 190
    190 CategoryMismatch "CATEGORY_MISMATCH" "The message is marketing, its program is not.",
    191 ProgramInactive "PROGRAM_INACTIVE" "The program is switched off.",
    200 SenderUnregistered "SENDER_UNREGISTERED" "The sender may not carry this traffic.",
    201 SenderCountry "SENDER_COUNTRY" "The sender cannot reach that country.",
    202 SenderPaused "SENDER_PAUSED" "The sender or its lane is paused.",
    203 SenderBacklog "SENDER_BACKLOG" "The sender cannot get to it in time.",
    204 SenderName "SENDER_NAME" "The sender's name is not spelled as the country asks.",
    // Content: 220
    220 BrandNameMissing "BRAND_NAME_MISSING" "The text does not say who sends it.",
    221 OptOutWordingMissing "OPT_OUT_WORDING_MISSING" "The text does not say how to stop.",
    222 LinkDomain "LINK_DOMAIN" "A link leads outside the brand's own domains.",
    223 LinkShortenerShared "LINK_SHORTENER_SHARED" "A link uses a public shortener.",
    224 ContentProhibited "CONTENT_PROHIBITED" "The content belongs to a class this sender may not carry.",
    225 LabelRequired "LABEL_REQUIRED" "A mandatory label is missing.",
    226 TooManySegments "TOO_MANY_SEGMENTS" "The text needs more parts than permitted.",
    227 ContentUnreadable "CONTENT_UNREADABLE" "The text is empty or holds what a phone cannot show.",
    228 ContactMissing "CONTACT_MISSING" "The text does not say where its sender can be reached.",
    // Coupons: 240
    240 CouponExhausted "COUPON_EXHAUSTED" "The pool has no code left.",
    241 CouponChannel "COUPON_CHANNEL" "The pool is reserved for another channel.",
    // Automatic texts: 250
    250 AutomaticTextLate "AUTOMATIC_TEXT_LATE" "The moment for this automatic text has passed.",
    251 AutomaticTextRepeated "AUTOMATIC_TEXT_REPEATED" "This automatic text was already sent.",
    252 AutomaticTextNotOurs "AUTOMATIC_TEXT_NOT_OURS" "The provider or network answers in our place.",
    253 AutomaticTextNotDue "AUTOMATIC_TEXT_NOT_DUE" "Nothing calls for this automatic text.",
    254 AutomaticText "AUTOMATIC_TEXT" "An automatic text, judged by limits of its own.",
    // Consent evidence: 300
    300 PrecheckedBox "PRECHECKED_BOX" "The box was ticked before the person came.",
    301 DisclosureMissing "DISCLOSURE_MISSING" "The wording shown is not known.",
    302 DisclosureLacksBrand "DISCLOSURE_LACKS_BRAND" "The wording does not name the brand.",
    303 ConditionOfPurchase "CONDITION_OF_PURCHASE" "Agreeing was a condition of buying, or the wording does not say it is not.",
    304 BundledTerms "BUNDLED_TERMS" "Agreeing was bundled with other terms.",
    305 CaptureTimeMissing "CAPTURE_TIME_MISSING" "When the person agreed is not known.",
    306 CaptureTimeInFuture "CAPTURE_TIME_IN_FUTURE" "The person would agree in the future.",
    307 CaptureTimeTooOld "CAPTURE_TIME_TOO_OLD" "The evidence is too old.",
    308 SourceMissing "SOURCE_MISSING" "Where the person agreed is not known.",
    309 MethodNotWritten "METHOD_NOT_WRITTEN" "The method gives no written agreement.",
    310 OptedOutBefore "OPTED_OUT_BEFORE" "The person opted out; only their own act reopens.",
    311 StopWordingMissing "STOP_WORDING_MISSING" "The wording does not say how to stop.",
    312 RatesWordingMissing "RATES_WORDING_MISSING" "The wording does not say that message and data rates may apply.",
    313 FrequencyWordingMissing "FREQUENCY_WORDING_MISSING" "The wording does not say how often messages come.",
    314 HelpWordingMissing "HELP_WORDING_MISSING" "The wording does not say how to get help.",
    315 CartWordingMissing "CART_WORDING_MISSING" "The wording does not name cart reminders.",
    316 ESignMissing "E_SIGN_MISSING" "The electronic-records disclosure is missing.",
    317 DisclosureUnapproved "DISCLOSURE_UNAPPROVED" "Nobody approved the wording.",
    318 DisclosureMismatch "DISCLOSURE_MISMATCH" "The wording belongs to another brand or program.",
    319 SignatureMissing "SIGNATURE_MISSING" "The act that stands for a signature is missing.",
    320 AttestedNotAccepted "ATTESTED_NOT_ACCEPTED" "The brand does not accept attested consents.",
    321 NightConsentBundled "NIGHT_CONSENT_BUNDLED" "One act or wording asked for the day and the night; the night needs its own.",
    322 NightConsentAlone "NIGHT_CONSENT_ALONE" "A consent to the night counts beside one to the day, and there is none in force.",
    323 NightWordingMissing "NIGHT_WORDING_MISSING" "The wording does not name the hours of the night.",
}

impl From<String> for Code {
    fn from(text: String) -> Code {
        Code::from(text.as_str())
    }
}
impl From<Code> for String {
    fn from(code: Code) -> String {
        code.as_str().to_owned()
    }
}
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Code) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Code {
    fn cmp(&self, other: &Code) -> std::cmp::Ordering {
        (self.number(), self.as_str()).cmp(&(other.number(), other.as_str()))
    }
}

/// What one reason does to the outcome, weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// Never, for this attempt.
    Refuse,
    /// Not now.
    Hold,
    /// Worth knowing; changes nothing.
    Note,
}

/// One thing a rule has to say. Ordered by effect, code, rule, detail, so that equal decisions have equal bytes; but what
/// follows from holds stands behind them: that no permitted time is left is said after what forbids it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What it does to the outcome.
    pub effect: Effect,
    /// The stable code.
    pub code: Code,
    /// The rule's id, as in `us/fl/quiet_hours`; its file is that path under `policies/`.
    pub rule: String,
    /// The clause the rule rests on.
    pub citation: String,
    /// What was found, in one sentence; never an address.
    pub detail: String,
    /// When this reason alone would be gone, for holds that know it.
    pub hold_until: Option<Instant>,
}

impl Reason {
    /// Holds stand between what refuses by itself and what refuses because of them.
    fn place(&self) -> u8 {
        match (self.effect, &self.code) {
            (Effect::Refuse, Code::NoLegalWindow) => 2,
            (Effect::Refuse, _) => 0,
            (Effect::Hold, _) => 1,
            (Effect::Note, _) => 3,
        }
    }
}
impl PartialOrd for Reason {
    fn partial_cmp(&self, other: &Reason) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Reason {
    fn cmp(&self, other: &Reason) -> std::cmp::Ordering {
        (self.place().cmp(&other.place()))
            .then_with(|| self.code.cmp(&other.code))
            .then_with(|| self.rule.cmp(&other.rule))
            .then_with(|| self.citation.cmp(&other.citation))
            .then_with(|| self.detail.cmp(&other.detail))
            .then_with(|| self.hold_until.cmp(&other.hold_until))
    }
}

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Lawful at this instant.
    Admit,
    /// Not now; judge again at `hold_until`.
    Hold,
    /// Not in this attempt.
    Refuse,
}

/// The answer to one question at one instant. Equal inputs give equal bytes: no maps, no floats, lists sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What is to happen.
    pub outcome: Outcome,
    /// For a hold: when every reason is gone at once, as far as is known now. Judge again then.
    pub hold_until: Option<Instant>,
    /// When the message should leave, given windows and the sender's queue; unset when refused.
    pub estimated_send_at: Option<Instant>,
    /// Handing over must happen before this instant: the end of the common window (closed 2 s early), the message's own
    /// end, or the cart's, whichever comes first. For a hold: of the window it waits for. Unset when refused.
    pub send_not_after: Option<Instant>,
    /// All reasons, sorted, without repeats.
    pub reasons: Vec<Reason>,
    /// The instant judged.
    pub evaluated_at: Instant,
    /// SHA-256 naming release, rules, policy, zone and phone data: see `decide::Engine`.
    pub engine: [u8; 32],
    /// The policy set's own version.
    pub policy_version: String,
    /// The release of the zone data.
    pub time_zone_version: String,
    /// Zones whose clocks were asked, sorted.
    pub zones_considered: Vec<ZoneName>,
    /// Jurisdictions whose rules were asked, sorted.
    pub jurisdictions_considered: Vec<Jurisdiction>,
}

impl Verdict {
    /// Whether a reason with that code is given.
    pub fn has(&self, code: &Code) -> bool {
        self.reasons.iter().any(|reason| reason.code == *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That nothing is permitted within a week was said before the ban that forbids it.
    #[test]
    fn what_follows_stands_behind_its_cause() {
        let reason = |effect: Effect, code: Code| Reason {
            effect,
            code,
            rule: String::new(),
            citation: String::new(),
            detail: String::new(),
            hold_until: None,
        };
        let ordered = [
            reason(Effect::Refuse, Code::OptedOut),
            reason(Effect::Refuse, Code::MessageExpired),
            reason(Effect::Hold, Code::QuietHours),
            reason(Effect::Refuse, Code::NoLegalWindow),
            reason(Effect::Note, Code::SenderBacklog),
        ];
        let mut sorted = ordered.clone();
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted, ordered);
    }

    #[test]
    fn codes_are_unique_ordered_and_read_back() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{} before {}", pair[0], pair[1]);
        }
        for code in Code::ALL {
            assert_eq!(Code::from(code.as_str()), *code);
            assert!(code.meaning().ends_with('.'));
        }
        let newer = Code::from("MOON_PHASE");
        assert_eq!((newer.as_str(), &newer), ("MOON_PHASE", &Code::Other("MOON_PHASE".into())));
        let texts: std::collections::BTreeSet<_> = Code::ALL.iter().map(Code::as_str).collect();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
