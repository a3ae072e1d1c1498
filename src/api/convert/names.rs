//! Enums of the wire and of the model, value by value, both ways.

use crate::model::cart as cart_model;
use crate::model::device as push;
use crate::model::facts;
use crate::model::location as place;
use crate::model::registry;
use crate::model::{consent, message, verdict};
use crate::pb::consentry::v1 as wire;

/// Writes both directions of one pair of enums. What the wire leaves unspecified is none.
macro_rules! pairs {
    ($($to_wire:ident, $to_model:ident: $wire:ty, $model:ty { $($w:ident = $m:ident,)* })*) => { $(
        /// On the wire.
        pub fn $to_wire(value: $model) -> $wire {
            match value { $(<$model>::$m => <$wire>::$w,)* }
        }
        /// In the model; none for what only the wire has.
        #[allow(unreachable_patterns, reason = "some model enums have a value for unspecified, too")]
        pub fn $to_model(value: $wire) -> Option<$model> {
            match value {
                $(<$wire>::$w => Some(<$model>::$m),)*
                _ => None,
            }
        }
    )* };
}

pairs! {
    platform, platform_of: wire::PushPlatform, push::PushPlatform { Apns = Apns, Fcm = Fcm, WebPush = WebPush, }

    permission, permission_of: wire::OsPermission, push::OsPermission {
        Granted = Granted, Provisional = Provisional, Denied = Denied, NotDetermined = NotDetermined,
    }

    channel, channel_of: wire::Channel, consent::Channel { Sms = Sms, Push = Push, }

    category, category_of: wire::Category, consent::Category {
        Marketing = Marketing, Transactional = Transactional, Conversational = Conversational,
    }

    consent_state, consent_state_of: wire::ConsentState, consent::ConsentState {
        Granted = Granted, PendingConfirmation = PendingConfirmation, Refused = Refused, Revoked = Revoked,
        Expired = Expired,
    }

    basis, basis_of: wire::ConsentBasis, consent::Basis {
        ExpressWritten = ExpressWritten, Express = Express, SoftOptIn = SoftOptIn,
        ImpliedPurchase = ImpliedPurchase, ImpliedInquiry = ImpliedInquiry,
    }

    grade, grade_of: wire::ConsentGrade, consent::Grade { Full = Full, Attested = Attested, }

    method, method_of: wire::ConsentMethod, consent::Method {
        Unspecified = Unstated,
        WebForm = WebForm, CheckoutCheckbox = CheckoutCheckbox, Keyword = Keyword, Paper = Paper, Voice = Voice,
        AppPermission = AppPermission, PointOfSale = PointOfSale, Imported = Imported,
    }

    act, act_of: wire::ConsentAct, consent::Act {
        Ticked = Ticked, Typed = Typed, Replied = Replied, Signed = Signed, Spoken = Spoken, Switched = Switched,
    }

    double_opt_in, double_opt_in_of: wire::DoubleOptIn, consent::DoubleOptIn {
        Unspecified = None, ByText = ByText, ByWeb = ByWeb, InApp = InApp,
    }

    opt_out_source, opt_out_source_of: wire::OptOutSource, consent::OptOutSource {
        SmsReply = SmsReply, Provider = Provider, PhoneCall = PhoneCall, Email = Email, Web = Web,
        InStore = InStore, Letter = Letter, App = App, Operator = Operator,
    }

    message_state, message_state_of: wire::MessageState, message::MessageState {
        Held = Held, Queued = Queued, Sending = Sending, Sent = Sent, Delivered = Delivered,
        Undelivered = Undelivered, Failed = Failed, Rejected = Rejected, Refused = Refused,
        Cancelled = Cancelled, Expired = Expired, NotSent = NotSent, Unknown = Unknown,
    }

    national_language, national_language_of: wire::NationalLanguage, registry::NationalLanguage {
        Turkish = Turkish, Spanish = Spanish, Portuguese = Portuguese, Bengali = Bengali, Gujarati = Gujarati,
        Hindi = Hindi, Kannada = Kannada, Malayalam = Malayalam, Oriya = Oriya, Punjabi = Punjabi, Tamil = Tamil,
        Telugu = Telugu, Urdu = Urdu,
    }

    encoding, encoding_of: wire::Encoding, facts::Encoding { Gsm7 = Gsm7, Ucs2 = Ucs2, }

    on_hold, on_hold_of: wire::OnHold, facts::OnHold { Hold = Hold, Refuse = Refuse, }

    automatic, automatic_of: wire::MessageOrigin, facts::AutomaticKind {
        OptInRequest = OptInRequest, Welcome = Welcome, OptOutConfirmation = OptOutConfirmation,
        HelpAnswer = Help, ConsentRenewal = ConsentRenewal,
    }

    cart_state, cart_state_of: wire::CartState, facts::CartState {
        Open = Open, Purchased = Purchased, Emptied = Emptied, Expired = Expired,
    }

    on_opt_out, on_opt_out_of: wire::OnOptOut, cart_model::OnOptOut { Keep = Keep, Void = Void, }

    outcome, outcome_of: wire::verdict::Outcome, verdict::Outcome {
        Admit = Admit, Hold = Hold, Refuse = Refuse,
    }

    effect, effect_of: wire::reason::Effect, verdict::Effect { Refuse = Refuse, Hold = Hold, Note = Note, }

    location_source, location_source_of: wire::LocationSource, place::LocationSource {
        Billing = Billing, Shipping = Shipping, Stated = Stated, Device = Device, Ip = Ip,
    }

    sender_kind, sender_kind_of: wire::SenderKind, facts::SenderKind {
        TenDlc = TenDlc, TollFree = TollFree, ShortCode = ShortCode, LongCode = LongCode,
        Alphanumeric = Alphanumeric, PushApp = PushApp,
    }

    answers, answers_of: wire::SenderAnswers, facts::Answers {
        Gateway = Gateway, Provider = Provider, Network = Network,
    }

    reconcile, reconcile_of: wire::ReconcileBy, registry::Reconcile { List = List, Operator = Operator, Nothing = Nothing, }

    control, control_of: wire::DisclosureControl, registry::Control {
        Checkbox = Checkbox, Button = Button, Keyword = Keyword, Paper = Paper, Voice = Voice,
        AppSwitch = AppSwitch,
    }

    control_default, control_default_of: wire::ControlDefault, registry::ControlDefault {
        Unchecked = Unchecked, Prechecked = Prechecked, None = None,
    }

    role, role_of: wire::Role, registry::Role {
        Sender = Sender, ConsentWriter = ConsentWriter, Auditor = Auditor, Admin = Admin,
    }

    check_kind, check_kind_of: wire::NumberCheckKind, facts::CheckKind {
        Reassigned = Reassigned, Deactivated = Deactivated, NationalDnc = DoNotCall, LineType = LineType,
        Registry = Registry, Litigator = Litigator,
    }

    check_answer, check_answer_of: wire::NumberCheckAnswer, facts::CheckAnswer {
        Yes = Yes, No = No, NoData = NoData,
    }
}

/// How other tools reach a person, as the ledger names it.
pub fn external_channel(channel: wire::ExternalChannel) -> Option<&'static str> {
    Some(match channel {
        wire::ExternalChannel::Unspecified => return None,
        wire::ExternalChannel::Email => "EMAIL",
        wire::ExternalChannel::Ad => "AD",
        wire::ExternalChannel::Sms => "SMS",
        wire::ExternalChannel::Push => "PUSH",
        wire::ExternalChannel::Call => "PHONE_CALL",
        wire::ExternalChannel::Letter => "LETTER",
        wire::ExternalChannel::Other => "OTHER",
    })
}

/// A provider as connections name it.
pub fn provider(kind: wire::ProviderKind) -> Option<&'static str> {
    Some(match kind {
        wire::ProviderKind::Unspecified => return None,
        wire::ProviderKind::Sandbox => "sandbox",
        wire::ProviderKind::Twilio => "twilio",
        wire::ProviderKind::Vonage => "vonage",
        wire::ProviderKind::Telnyx => "telnyx",
        wire::ProviderKind::Plivo => "plivo",
        wire::ProviderKind::Sinch => "sinch",
        wire::ProviderKind::Bandwidth => "bandwidth",
        wire::ProviderKind::Aws => "aws",
        wire::ProviderKind::Infobip => "infobip",
        wire::ProviderKind::Bird => "bird",
        wire::ProviderKind::Smpp => "smpp",
        wire::ProviderKind::Fcm => "fcm",
        wire::ProviderKind::Apns => "apns",
        wire::ProviderKind::WebPush => "web_push",
        wire::ProviderKind::Messagebird => "messagebird",
    })
}

/// A provider's name on the wire; unspecified for a name of another release.
pub fn provider_kind(name: &str) -> wire::ProviderKind {
    (1..=15)
        .filter_map(|number| wire::ProviderKind::try_from(number).ok())
        .find(|kind| provider(*kind) == Some(name))
        .unwrap_or_default()
}
