//! What operators write: objects made and changed, secrets rotated, connections vouched for.

use secrecy::{ExposeSecret, SecretString};

use super::Admins;
use super::mask::{self, overlay};
use crate::api::auth::Caller;
use crate::api::convert::{disclosure, key, registry, sender};
use crate::api::field::Lines;
use crate::api::status::{ApiError, Violation};
use crate::ledger::body::Object;
use crate::model::registry::Disclosure;
use crate::model::{BrandId, Code, ConnectionId, DisclosureId};
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::disclosure::RegisterDisclosure;
use crate::writer::ops::heard::{Heard, How};
use crate::writer::ops::registry::{Put, PutObject, RotateSecret, Rotated};

/// Refuses a change that a narrowed key may not make.
fn may_write(caller: &Caller, object: &Object) -> Result<(), ApiError> {
    let brand: Option<&BrandId> = match object {
        Object::Brand(brand) => Some(&brand.id),
        Object::Program(program) => Some(&program.brand),
        Object::Template(template) => Some(&template.brand),
        Object::Disclosure(disclosure) => Some(&disclosure.brand),
        // A key for one brand must not make keys for others, nor touch what all brands send by.
        Object::Seller(_) | Object::Sender(_) | Object::Connection(_) | Object::ApiKey(_) => None,
    };
    match brand {
        Some(brand) => caller.check_brand(brand),
        None => for_all_brands(caller),
    }
}

pub(super) fn for_all_brands(caller: &Caller) -> Result<(), ApiError> {
    if caller.brands.is_empty() {
        return Ok(());
    }
    Err(ApiError::Forbidden { needed: "ADMIN, with a key for all brands".to_owned() })
}

/// The writer names fields within the object; the caller sees them within the request.
fn within(noun: &'static str, error: ApiError) -> ApiError {
    match error {
        ApiError::Invalid(violations) => ApiError::Invalid(
            violations
                .into_iter()
                .map(|v| Violation { field: format!("{noun}.{}", v.field), description: v.description })
                .collect(),
        ),
        error => error,
    }
}

fn shown_once(secret: Option<SecretString>) -> Option<wire::SecretValue> {
    secret.map(|secret| wire::SecretValue { value: secret.expose_secret().to_owned() })
}

impl Admins {
    async fn create(&self, caller: &Caller, noun: &'static str, object: Object) -> Result<Put, ApiError> {
        may_write(caller, &object)?;
        let op = PutObject::create(object, caller.key.clone());
        self.hands.write(op).await.map_err(|error| within(noun, error))
    }

    async fn update(
        &self,
        caller: &Caller,
        noun: &'static str,
        object: Object,
        reason: String,
    ) -> Result<Put, ApiError> {
        may_write(caller, &object)?;
        // Naming the category in an update with a reason is how an operator says that it is to change.
        let op =
            PutObject { category_may_change: true, ..PutObject::update(object, reason, caller.key.clone()) };
        self.hands.write(op).await.map_err(|error| within(noun, error))
    }

    async fn register(
        &self,
        caller: &Caller,
        (new, snapshot): (Disclosure, Vec<u8>),
    ) -> Result<wire::Disclosure, ApiError> {
        may_write(caller, &Object::Disclosure(Box::new(new.clone())))?;
        if !snapshot.is_empty() {
            // Before the entry that names it: a hash of a picture nobody kept proves nothing.
            let shelf = self.hands.books().snapshots().clone();
            let kept = tokio::task::spawn_blocking(move || shelf.keep(&snapshot)).await;
            let why = match kept {
                Ok(Ok(_)) => None,
                Ok(Err(e)) => Some(e.to_string()),
                Err(e) => Some(e.to_string()),
            };
            if let Some(why) = why {
                tracing::error!(error = why, "a snapshot could not be kept");
                let message = "the snapshot could not be kept".to_owned();
                return Err(ApiError::Unavailable { message, retry: std::time::Duration::from_secs(2) });
            }
        }
        let op = RegisterDisclosure { disclosure: new, actor: caller.key.clone() };
        let kept = self.hands.write(op).await.map_err(|error| within("disclosure", error))?;
        if kept.refusals.is_empty() {
            return Ok(disclosure::disclosure_out(&kept));
        }
        let because = |code: &String| crate::consent::reason(&Code::from(code.as_str()));
        let reasons: Vec<_> = kept.refusals.iter().map(because).collect();
        let message =
            format!("the wording is kept as version {}, but no consent can rest on it", kept.version);
        Err(ApiError::refused(message, &reasons))
    }

    pub(super) async fn make_disclosure(
        &self,
        caller: &Caller,
        request: wire::CreateDisclosureRequest,
    ) -> Result<wire::Disclosure, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("disclosure", request.disclosure, disclosure::disclosure);
        let new = f.finish(read)?;
        self.register(caller, new).await
    }

    pub(super) async fn change_disclosure(
        &self,
        caller: &Caller,
        request: wire::UpdateDisclosureRequest,
    ) -> Result<wire::Disclosure, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("disclosure", request.disclosure, disclosure::disclosure);
        let new = f.finish(read)?;
        let known: Vec<Disclosure> = self.hands.look(|cx| cx.disclosure_versions(&new.0.id))?;
        let missing = |id: &DisclosureId| ApiError::NotFound { kind: "disclosure", name: id.to_string() };
        let newest = known.last().ok_or_else(|| missing(&new.0.id))?;
        if !caller.reaches(&newest.brand) {
            return Err(missing(&new.0.id));
        }
        self.register(caller, new).await
    }

    pub(super) async fn new_secret(
        &self,
        caller: &Caller,
        request: wire::RotateApiKeyRequest,
    ) -> Result<wire::RotateApiKeyResponse, ApiError> {
        for_all_brands(caller)?;
        let what = Rotated::ApiKey { keep_old: request.keep_old };
        let put = self.rotate(caller, what, request.id, request.reason).await?;
        let api_key = Some(self.out_api_key(&put.row)?);
        Ok(wire::RotateApiKeyResponse { api_key, secret: shown_once(put.secret) })
    }

    pub(super) async fn new_token(
        &self,
        caller: &Caller,
        request: wire::RotateConnectionTokenRequest,
    ) -> Result<wire::RotateConnectionTokenResponse, ApiError> {
        for_all_brands(caller)?;
        let put = self.rotate(caller, Rotated::Connection, request.id, request.reason).await?;
        let connection = Some(self.out_connection(&put.row)?);
        Ok(wire::RotateConnectionTokenResponse { connection, token: shown_once(put.secret) })
    }

    async fn rotate(
        &self,
        caller: &Caller,
        what: Rotated,
        id: String,
        reason: String,
    ) -> Result<Put, ApiError> {
        let mut f = self.hands.fields();
        let id = f.id::<ConnectionId>("id", &id);
        let reason = f.text("reason", reason, 1..=512, Lines::Many);
        let read = (|| Some((id?, reason?)))();
        let (id, reason) = f.finish(read)?;
        self.hands.write(RotateSecret { what, id: id.to_string(), reason, actor: caller.key.clone() }).await
    }

    /// An operator's word that nothing was missed.
    pub(super) async fn vouch(
        &self,
        caller: &Caller,
        request: wire::ResumeConnectionRequest,
    ) -> Result<wire::Connection, ApiError> {
        for_all_brands(caller)?;
        let mut f = self.hands.fields();
        let until = f.now();
        let id = f.id::<ConnectionId>("id", &request.id);
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let operator = f.text("operator", request.operator, 1..=128, Lines::One);
        let read = (|| Some((id?, reason?, operator?)))();
        let (connection, reason, operator) = f.finish(read)?;
        let actor = format!("{operator} ({})", caller.key);
        let heard = Heard { connection: connection.clone(), until, how: How::Operator, reason, actor };
        self.hands.write(heard).await?;
        let row = self.hands.look(|cx| cx.object("connection", connection.as_str()))?;
        let row = row.ok_or(ApiError::NotFound { kind: "connection", name: connection.to_string() })?;
        self.out_connection(&row)
    }

    pub(super) async fn make_seller(
        &self,
        caller: &Caller,
        request: wire::CreateSellerRequest,
    ) -> Result<wire::Seller, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("seller", request.seller, registry::seller);
        let new = f.finish(read)?;
        let put = self.create(caller, "seller", Object::Seller(new)).await?;
        self.out_seller(&put.row)
    }

    pub(super) async fn change_seller(
        &self,
        caller: &Caller,
        request: wire::UpdateSellerRequest,
    ) -> Result<wire::Seller, ApiError> {
        let given = request.seller.unwrap_or_default();
        let mut known = self.known_seller(caller, &given.id)?;
        let mut f = self.hands.fields();
        let fields = ["legal_name", "postal_address"];
        let mask = mask::named(&mut f, request.update_mask, &fields);
        overlay!(mask.iter().flatten().copied(), known <- given: legal_name postal_address);
        let read = f.within("seller", |f| registry::seller(f, known));
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let read = (|| Some((mask?, read?, reason?)))();
        let (_, new, reason) = f.finish(read)?;
        let put = self.update(caller, "seller", Object::Seller(new), reason).await?;
        self.out_seller(&put.row)
    }

    pub(super) async fn make_brand(
        &self,
        caller: &Caller,
        request: wire::CreateBrandRequest,
    ) -> Result<wire::Brand, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("brand", request.brand, registry::brand);
        let new = f.finish(read)?;
        let put = self.create(caller, "brand", Object::Brand(new)).await?;
        self.out_brand(&put.row)
    }

    pub(super) async fn change_brand(
        &self,
        caller: &Caller,
        request: wire::UpdateBrandRequest,
    ) -> Result<wire::Brand, ApiError> {
        let given = request.brand.unwrap_or_default();
        let mut known = self.known_brand(caller, &given.id)?;
        let mut f = self.hands.fields();
        let fields = [
            "display_name",
            "short_domain",
            "target_domains",
            "fallback_url",
            "support_contact",
            "locale",
            "accepts_attested",
            "profile",
            "plain_typography",
        ];
        let mask = mask::named(&mut f, request.update_mask, &fields);
        overlay!(mask.iter().flatten().copied(), known <- given: display_name short_domain target_domains fallback_url support_contact locale accepts_attested profile plain_typography);
        let read = f.within("brand", |f| registry::brand(f, known));
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let read = (|| Some((mask?, read?, reason?)))();
        let (_, new, reason) = f.finish(read)?;
        let put = self.update(caller, "brand", Object::Brand(new), reason).await?;
        self.out_brand(&put.row)
    }

    pub(super) async fn make_program(
        &self,
        caller: &Caller,
        request: wire::CreateProgramRequest,
    ) -> Result<wire::Program, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("program", request.program, registry::program);
        let new = f.finish(read)?;
        let put = self.create(caller, "program", Object::Program(new)).await?;
        self.out_program(&put.row)
    }

    pub(super) async fn change_program(
        &self,
        caller: &Caller,
        request: wire::UpdateProgramRequest,
    ) -> Result<wire::Program, ApiError> {
        let given = request.program.unwrap_or_default();
        let mut known = self.known_program(caller, &given.id)?;
        let mut f = self.hands.fields();
        let fields = [
            "display_name",
            "category",
            "channels",
            "senders",
            "double_opt_in",
            "keywords",
            "covers_cart_reminders",
            "texts",
            "terms_url",
            "privacy_url",
            "frequency",
            "subject_matter",
            "paused",
        ];
        let mask = mask::named(&mut f, request.update_mask, &fields);
        overlay!(mask.iter().flatten().copied(), known <- given: display_name category channels senders double_opt_in keywords covers_cart_reminders texts terms_url privacy_url frequency subject_matter paused);
        let read = f.within("program", |f| registry::program(f, known));
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let read = (|| Some((mask?, read?, reason?)))();
        let (_, new, reason) = f.finish(read)?;
        let put = self.update(caller, "program", Object::Program(new), reason).await?;
        self.out_program(&put.row)
    }

    pub(super) async fn make_sender(
        &self,
        caller: &Caller,
        request: wire::CreateSenderRequest,
    ) -> Result<wire::Sender, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("sender", request.sender, sender::sender);
        let new = f.finish(read)?;
        let put = self.create(caller, "sender", Object::Sender(new)).await?;
        self.out_sender(&put.row)
    }

    pub(super) async fn change_sender(
        &self,
        caller: &Caller,
        request: wire::UpdateSenderRequest,
    ) -> Result<wire::Sender, ApiError> {
        let given = request.sender.unwrap_or_default();
        let mut known = self.known_sender(caller, &given.id)?;
        let mut f = self.hands.fields();
        let fields = [
            "brands",
            "address",
            "country",
            "registered",
            "answers",
            "throttle_group",
            "connection",
            "paused",
            "pool",
            "tax_id_cap",
            "national_languages",
        ];
        let mask = mask::named(&mut f, request.update_mask, &fields);
        overlay!(mask.iter().flatten().copied(), known <- given: brands address country registered answers throttle_group connection paused pool tax_id_cap national_languages);
        let read = f.within("sender", |f| sender::sender(f, known));
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let read = (|| Some((mask?, read?, reason?)))();
        let (_, new, reason) = f.finish(read)?;
        let put = self.update(caller, "sender", Object::Sender(new), reason).await?;
        self.out_sender(&put.row)
    }

    pub(super) async fn make_connection(
        &self,
        caller: &Caller,
        request: wire::CreateConnectionRequest,
    ) -> Result<wire::CreateConnectionResponse, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("connection", request.connection, sender::connection);
        let new = f.finish(read)?;
        let put = self.create(caller, "connection", Object::Connection(new)).await?;
        let connection = Some(self.out_connection(&put.row)?);
        Ok(wire::CreateConnectionResponse { connection, token: shown_once(put.secret) })
    }

    pub(super) async fn change_connection(
        &self,
        caller: &Caller,
        request: wire::UpdateConnectionRequest,
    ) -> Result<wire::Connection, ApiError> {
        let given = request.connection.unwrap_or_default();
        let mut known = self.known_connection(caller, &given.id)?;
        let mut f = self.hands.fields();
        let fields = ["settings", "secrets", "public_url", "validity", "reconcile", "slots", "prices"];
        let mask = mask::named(&mut f, request.update_mask, &fields);
        overlay!(mask.iter().flatten().copied(), known <- given: settings secrets public_url validity reconcile slots prices);
        let read = f.within("connection", |f| sender::connection(f, known));
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let read = (|| Some((mask?, read?, reason?)))();
        let (_, new, reason) = f.finish(read)?;
        let put = self.update(caller, "connection", Object::Connection(new), reason).await?;
        self.out_connection(&put.row)
    }

    pub(super) async fn make_template(
        &self,
        caller: &Caller,
        request: wire::CreateTemplateRequest,
    ) -> Result<wire::Template, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("template", request.template, registry::template);
        let new = f.finish(read)?;
        let put = self.create(caller, "template", Object::Template(new)).await?;
        self.out_template(&put.row)
    }

    pub(super) async fn change_template(
        &self,
        caller: &Caller,
        request: wire::UpdateTemplateRequest,
    ) -> Result<wire::Template, ApiError> {
        let given = request.template.unwrap_or_default();
        let mut known = self.known_template(caller, &given.id)?;
        let mut f = self.hands.fields();
        let fields = ["program", "locale", "body"];
        let mask = mask::named(&mut f, request.update_mask, &fields);
        overlay!(mask.iter().flatten().copied(), known <- given: program locale body);
        let read = f.within("template", |f| registry::template(f, known));
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let read = (|| Some((mask?, read?, reason?)))();
        let (_, new, reason) = f.finish(read)?;
        let put = self.update(caller, "template", Object::Template(new), reason).await?;
        self.out_template(&put.row)
    }

    pub(super) async fn make_api_key(
        &self,
        caller: &Caller,
        request: wire::CreateApiKeyRequest,
    ) -> Result<wire::CreateApiKeyResponse, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("api_key", request.api_key, key::key);
        let new = f.finish(read)?;
        let put = self.create(caller, "api_key", Object::ApiKey(new)).await?;
        let api_key = Some(self.out_api_key(&put.row)?);
        Ok(wire::CreateApiKeyResponse { api_key, secret: shown_once(put.secret) })
    }

    pub(super) async fn change_api_key(
        &self,
        caller: &Caller,
        request: wire::UpdateApiKeyRequest,
    ) -> Result<wire::ApiKey, ApiError> {
        let given = request.api_key.unwrap_or_default();
        let mut known = self.known_api_key(caller, &given.id)?;
        let mut f = self.hands.fields();
        let fields = ["display_name", "roles", "brands", "expires_at", "revoked_at"];
        let mask = mask::named(&mut f, request.update_mask, &fields);
        overlay!(mask.iter().flatten().copied(), known <- given: display_name roles brands expires_at revoked_at);
        let read = f.within("api_key", |f| key::key(f, known));
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let read = (|| Some((mask?, read?, reason?)))();
        let (_, new, reason) = f.finish(read)?;
        let put = self.update(caller, "api_key", Object::ApiKey(new), reason).await?;
        self.out_api_key(&put.row)
    }
}
