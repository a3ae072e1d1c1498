//! What operators read: one object, pages of them, the policies in force.

use std::sync::Arc;

use super::Admins;
use super::put::for_all_brands;
use crate::api::auth::Caller;
use crate::api::convert::{disclosure, key, policy, registry, sender};
use crate::api::field::Page;
use crate::api::status::ApiError;
use crate::ledger::body::Object;
use crate::ledger::rows::{HeardRow, RegistryRow, keys};
use crate::model::{BrandId, DisclosureId};
use crate::pb::consentry::v1 as wire;
use crate::policy::diff::diff;
use crate::writer::ops::registry::OBJECTS_MAX;

/// Whether a key may see an object: what belongs to another brand does not exist for it.
fn may_see(caller: &Caller, object: &Object) -> bool {
    match object {
        Object::Brand(brand) => caller.reaches(&brand.id),
        Object::Program(program) => caller.reaches(&program.brand),
        Object::Template(template) => caller.reaches(&template.brand),
        Object::Disclosure(disclosure) => caller.reaches(&disclosure.brand),
        Object::ApiKey(_) => for_all_brands(caller).is_ok(),
        Object::Seller(_) | Object::Sender(_) | Object::Connection(_) => true,
    }
}

/// Whether an object is one of a brand's, for lists that ask for one.
fn is_of(object: &Object, brand: &BrandId) -> bool {
    match object {
        Object::Program(program) => program.brand == *brand,
        Object::Template(template) => template.brand == *brand,
        Object::Disclosure(disclosure) => disclosure.brand == *brand,
        Object::Sender(sender) => sender.brands.is_empty() || sender.brands.contains(brand),
        _ => true,
    }
}

type Rows = (Vec<Arc<RegistryRow>>, String);

impl Admins {
    fn row(&self, caller: &Caller, kind: &'static str, id: &str) -> Result<Arc<RegistryRow>, ApiError> {
        let mut f = self.hands.fields();
        // Every id of an object has the form of a slug.
        let read = f.id::<BrandId>("id", id);
        let id = f.finish(read)?;
        let row = self.hands.look(|cx| cx.object(kind, id.as_str()))?;
        row.filter(|row| may_see(caller, &row.object))
            .ok_or(ApiError::NotFound { kind, name: id.to_string() })
    }

    /// A page of what the key may see.
    fn rows(
        &self,
        caller: &Caller,
        kind: &'static str,
        page: &Page,
        wanted: impl Fn(&Object) -> bool,
    ) -> Result<Rows, ApiError> {
        let prefix = keys::registry(kind, "");
        let after = (!page.after.is_empty()).then_some(page.after.as_slice());
        let all = self.hands.look(|cx| Ok(cx.state.scan::<RegistryRow>(&prefix, after, OBJECTS_MAX)?))?;
        let mut rows = all.into_iter().filter(|(_, row)| may_see(caller, &row.object) && wanted(&row.object));
        let shown: Vec<_> = rows.by_ref().take(page.size).collect();
        let more = rows.next().is_some();
        let last = shown.last().filter(|_| more).map(|(key, _)| page.next(key)).unwrap_or_default();
        Ok((shown.into_iter().map(|(_, row)| row).collect(), last))
    }

    /// A row that holds another object than its key says cannot be.
    fn foreign<T>(&self) -> Result<T, ApiError> {
        let reference = "a registry row of another kind".to_owned();
        Err(ApiError::Internal { reference })
    }

    pub(super) async fn read_disclosure(
        &self,
        caller: &Caller,
        request: wire::GetDisclosureRequest,
    ) -> Result<wire::Disclosure, ApiError> {
        let mut f = self.hands.fields();
        let read = f.id::<DisclosureId>("id", &request.id);
        let id = f.finish(read)?;
        let found = self.hands.look(|cx| cx.disclosure_named(&id, &request.version))?;
        if !caller.reaches(&found.brand) {
            return Err(ApiError::NotFound { kind: "disclosure", name: id.to_string() });
        }
        let mut out = disclosure::disclosure_out(&found);
        if let Some(sha256) =
            found.snapshot_sha256.as_slice().try_into().ok().filter(|_| request.with_snapshot)
        {
            let shelf = self.hands.books().snapshots().clone();
            let read = tokio::task::spawn_blocking(move || shelf.get(&sha256)).await;
            // One registered before snapshots were kept has none: its hash stays, and the field is empty.
            out.snapshot = read.ok().and_then(Result::ok).flatten().unwrap_or_default();
        }
        Ok(out)
    }

    /// What the policies in force say.
    pub(super) async fn policy(
        &self,
        _: &Caller,
        request: wire::GetPolicyRequest,
    ) -> Result<wire::PolicyInfo, ApiError> {
        let policies = self.hands.reader().env().policies();
        Ok(policy::info(policies.engine.policy(), &request.jurisdiction))
    }

    /// What another set would be: everything wrong with it, or what it changes. Puts nothing in force.
    pub(super) async fn judge_policy(
        &self,
        _: &Caller,
        request: wire::CheckPolicyRequest,
    ) -> Result<wire::CheckPolicyResponse, ApiError> {
        let mut f = self.hands.fields();
        let files = policy::files(&mut f, request.files);
        let files = f.finish(files)?;
        let in_force = self.hands.reader().env().policies();
        let judged = tokio::task::spawn_blocking(move || match crate::policy::compile(files) {
            Err(problems) => wire::CheckPolicyResponse {
                problems: problems.into_iter().map(policy::problem).collect(),
                ..wire::CheckPolicyResponse::default()
            },
            Ok(set) => wire::CheckPolicyResponse {
                problems: Vec::new(),
                policy: Some(policy::info(&set, "")),
                changed_rules: diff(in_force.engine.policy(), &set).into_iter().map(|c| c.id).collect(),
            },
        });
        judged
            .await
            .map_err(|_| ApiError::Internal { reference: "a policy set that could not be judged".to_owned() })
    }

    pub(super) fn out_seller(&self, row: &RegistryRow) -> Result<wire::Seller, ApiError> {
        match &row.object {
            Object::Seller(seller) => Ok(registry::seller_out(seller, row)),
            _ => self.foreign(),
        }
    }

    pub(super) fn out_brand(&self, row: &RegistryRow) -> Result<wire::Brand, ApiError> {
        let seller = self.hands.reader().env().seller.clone();
        let seller = self.hands.look(|cx| cx.seller(seller.as_str()))?;
        let legal_name = seller.map(|seller| seller.legal_name.clone()).unwrap_or_default();
        match &row.object {
            Object::Brand(brand) => Ok(registry::brand_out(brand, legal_name, row)),
            _ => self.foreign(),
        }
    }

    pub(super) fn out_program(&self, row: &RegistryRow) -> Result<wire::Program, ApiError> {
        match &row.object {
            Object::Program(program) => Ok(registry::program_out(program, row)),
            _ => self.foreign(),
        }
    }

    pub(super) fn out_disclosure(&self, row: &RegistryRow) -> Result<wire::Disclosure, ApiError> {
        match &row.object {
            Object::Disclosure(found) => Ok(disclosure::disclosure_out(found)),
            _ => self.foreign(),
        }
    }

    pub(super) fn out_sender(&self, row: &RegistryRow) -> Result<wire::Sender, ApiError> {
        match &row.object {
            Object::Sender(found) => Ok(sender::sender_out(found, row)),
            _ => self.foreign(),
        }
    }

    pub(super) fn out_connection(&self, row: &RegistryRow) -> Result<wire::Connection, ApiError> {
        match &row.object {
            Object::Connection(found) => {
                let heard = self.hands.look(|cx| cx.get::<HeardRow>(&keys::heard(&found.id)))?;
                let line = self.hands.providers().get(&found.id);
                let now = self.hands.now();
                let rests =
                    line.as_ref().and_then(|line| line.provider.resting_until()).filter(|at| *at > now);
                let health = sender::Health {
                    paused: line.as_ref().is_some_and(|line| line.paused),
                    resting_until: rests,
                    fault: line.and_then(|line| line.provider.fault()).unwrap_or_default(),
                };
                Ok(sender::connection_out(found, heard.as_deref(), health, row))
            }
            _ => self.foreign(),
        }
    }

    pub(super) fn out_template(&self, row: &RegistryRow) -> Result<wire::Template, ApiError> {
        match &row.object {
            Object::Template(template) => Ok(registry::template_out(template, row)),
            _ => self.foreign(),
        }
    }

    pub(super) fn out_api_key(&self, row: &RegistryRow) -> Result<wire::ApiKey, ApiError> {
        match &row.object {
            Object::ApiKey(found) => Ok(key::key_out(found)),
            _ => self.foreign(),
        }
    }

    pub(super) fn known_seller(&self, caller: &Caller, id: &str) -> Result<wire::Seller, ApiError> {
        self.out_seller(&*self.row(caller, "seller", id)?)
    }

    pub(super) async fn read_seller(
        &self,
        caller: &Caller,
        request: wire::GetSellerRequest,
    ) -> Result<wire::Seller, ApiError> {
        self.known_seller(caller, &request.id)
    }

    pub(super) async fn page_of_sellers(
        &self,
        caller: &Caller,
        request: wire::ListSellersRequest,
    ) -> Result<wire::ListSellersResponse, ApiError> {
        let mut f = self.hands.fields();
        let question = wire::ListSellersRequest::default();
        let page = f.page(request.page_size, &request.page_token, &question);
        let page = f.finish(page)?;
        let wanted = |_: &Object| true;
        let (rows, next_page_token) = self.rows(caller, "seller", &page, wanted)?;
        let sellers: Result<_, ApiError> = rows.iter().map(|row| self.out_seller(row)).collect();
        Ok(wire::ListSellersResponse { sellers: sellers?, next_page_token })
    }

    pub(super) fn known_brand(&self, caller: &Caller, id: &str) -> Result<wire::Brand, ApiError> {
        self.out_brand(&*self.row(caller, "brand", id)?)
    }

    pub(super) async fn read_brand(
        &self,
        caller: &Caller,
        request: wire::GetBrandRequest,
    ) -> Result<wire::Brand, ApiError> {
        self.known_brand(caller, &request.id)
    }

    pub(super) async fn page_of_brands(
        &self,
        caller: &Caller,
        request: wire::ListBrandsRequest,
    ) -> Result<wire::ListBrandsResponse, ApiError> {
        let mut f = self.hands.fields();
        let question = wire::ListBrandsRequest::default();
        let page = f.page(request.page_size, &request.page_token, &question);
        let page = f.finish(page)?;
        let wanted = |_: &Object| true;
        let (rows, next_page_token) = self.rows(caller, "brand", &page, wanted)?;
        let brands: Result<_, ApiError> = rows.iter().map(|row| self.out_brand(row)).collect();
        Ok(wire::ListBrandsResponse { brands: brands?, next_page_token })
    }

    pub(super) fn known_program(&self, caller: &Caller, id: &str) -> Result<wire::Program, ApiError> {
        self.out_program(&*self.row(caller, "program", id)?)
    }

    pub(super) async fn read_program(
        &self,
        caller: &Caller,
        request: wire::GetProgramRequest,
    ) -> Result<wire::Program, ApiError> {
        self.known_program(caller, &request.id)
    }

    pub(super) async fn page_of_programs(
        &self,
        caller: &Caller,
        request: wire::ListProgramsRequest,
    ) -> Result<wire::ListProgramsResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListProgramsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let brand = f.optional_id::<BrandId>("brand", &request.brand);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((brand?, page?)))();
        let (brand, page) = f.finish(read)?;
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        let wanted = |object: &Object| brand.as_ref().is_none_or(|brand| is_of(object, brand));
        let (rows, next_page_token) = self.rows(caller, "program", &page, wanted)?;
        let programs: Result<_, ApiError> = rows.iter().map(|row| self.out_program(row)).collect();
        Ok(wire::ListProgramsResponse { programs: programs?, next_page_token })
    }

    pub(super) async fn page_of_disclosures(
        &self,
        caller: &Caller,
        request: wire::ListDisclosuresRequest,
    ) -> Result<wire::ListDisclosuresResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListDisclosuresRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let brand = f.optional_id::<BrandId>("brand", &request.brand);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((brand?, page?)))();
        let (brand, page) = f.finish(read)?;
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        let wanted = |object: &Object| brand.as_ref().is_none_or(|brand| is_of(object, brand));
        let (rows, next_page_token) = self.rows(caller, "disclosure", &page, wanted)?;
        let disclosures: Result<_, ApiError> = rows.iter().map(|row| self.out_disclosure(row)).collect();
        Ok(wire::ListDisclosuresResponse { disclosures: disclosures?, next_page_token })
    }

    pub(super) fn known_sender(&self, caller: &Caller, id: &str) -> Result<wire::Sender, ApiError> {
        self.out_sender(&*self.row(caller, "sender", id)?)
    }

    pub(super) async fn read_sender(
        &self,
        caller: &Caller,
        request: wire::GetSenderRequest,
    ) -> Result<wire::Sender, ApiError> {
        self.known_sender(caller, &request.id)
    }

    pub(super) async fn page_of_senders(
        &self,
        caller: &Caller,
        request: wire::ListSendersRequest,
    ) -> Result<wire::ListSendersResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListSendersRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let brand = f.optional_id::<BrandId>("brand", &request.brand);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((brand?, page?)))();
        let (brand, page) = f.finish(read)?;
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        let wanted = |object: &Object| brand.as_ref().is_none_or(|brand| is_of(object, brand));
        let (rows, next_page_token) = self.rows(caller, "sender", &page, wanted)?;
        let senders: Result<_, ApiError> = rows.iter().map(|row| self.out_sender(row)).collect();
        Ok(wire::ListSendersResponse { senders: senders?, next_page_token })
    }

    pub(super) fn known_connection(&self, caller: &Caller, id: &str) -> Result<wire::Connection, ApiError> {
        self.out_connection(&*self.row(caller, "connection", id)?)
    }

    pub(super) async fn read_connection(
        &self,
        caller: &Caller,
        request: wire::GetConnectionRequest,
    ) -> Result<wire::Connection, ApiError> {
        self.known_connection(caller, &request.id)
    }

    pub(super) async fn page_of_connections(
        &self,
        caller: &Caller,
        request: wire::ListConnectionsRequest,
    ) -> Result<wire::ListConnectionsResponse, ApiError> {
        let mut f = self.hands.fields();
        let question = wire::ListConnectionsRequest::default();
        let page = f.page(request.page_size, &request.page_token, &question);
        let page = f.finish(page)?;
        let wanted = |_: &Object| true;
        let (rows, next_page_token) = self.rows(caller, "connection", &page, wanted)?;
        let connections: Result<_, ApiError> = rows.iter().map(|row| self.out_connection(row)).collect();
        Ok(wire::ListConnectionsResponse { connections: connections?, next_page_token })
    }

    pub(super) fn known_template(&self, caller: &Caller, id: &str) -> Result<wire::Template, ApiError> {
        self.out_template(&*self.row(caller, "template", id)?)
    }

    pub(super) async fn read_template(
        &self,
        caller: &Caller,
        request: wire::GetTemplateRequest,
    ) -> Result<wire::Template, ApiError> {
        self.known_template(caller, &request.id)
    }

    pub(super) async fn page_of_templates(
        &self,
        caller: &Caller,
        request: wire::ListTemplatesRequest,
    ) -> Result<wire::ListTemplatesResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListTemplatesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let brand = f.optional_id::<BrandId>("brand", &request.brand);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((brand?, page?)))();
        let (brand, page) = f.finish(read)?;
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        let wanted = |object: &Object| brand.as_ref().is_none_or(|brand| is_of(object, brand));
        let (rows, next_page_token) = self.rows(caller, "template", &page, wanted)?;
        let templates: Result<_, ApiError> = rows.iter().map(|row| self.out_template(row)).collect();
        Ok(wire::ListTemplatesResponse { templates: templates?, next_page_token })
    }

    pub(super) fn known_api_key(&self, caller: &Caller, id: &str) -> Result<wire::ApiKey, ApiError> {
        self.out_api_key(&*self.row(caller, "api_key", id)?)
    }

    pub(super) async fn read_api_key(
        &self,
        caller: &Caller,
        request: wire::GetApiKeyRequest,
    ) -> Result<wire::ApiKey, ApiError> {
        self.known_api_key(caller, &request.id)
    }

    pub(super) async fn page_of_api_keys(
        &self,
        caller: &Caller,
        request: wire::ListApiKeysRequest,
    ) -> Result<wire::ListApiKeysResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListApiKeysRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let now = f.now();
        let page = f.page(request.page_size, &request.page_token, &question);
        let page = f.finish(page)?;
        let alive = |object: &Object| match object {
            Object::ApiKey(key) => key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end),
            _ => false,
        };
        let wanted = |object: &Object| request.include_dead || alive(object);
        let (rows, next_page_token) = self.rows(caller, "api_key", &page, wanted)?;
        let api_keys: Result<_, ApiError> = rows.iter().map(|row| self.out_api_key(row)).collect();
        Ok(wire::ListApiKeysResponse { api_keys: api_keys?, next_page_token })
    }
}
