//! `AdminService`: what sellers, brands, programs, wordings, senders, connections, texts and keys are.

mod mask;
mod put;
mod read;
mod webhook;

use tonic::{Request, Response, Status};

use super::service::{Hands, caller};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::admin_service_server::AdminService;

/// The service.
#[derive(Clone)]
pub struct Admins {
    hands: Hands,
}

impl Admins {
    /// A service with these hands.
    pub fn new(hands: Hands) -> Admins {
        Admins { hands }
    }
}

/// One method: the caller, then the work.
macro_rules! methods {
    ($($method:ident($request:ident) -> $answer:ident = $work:ident;)*) => {
        #[tonic::async_trait]
        impl AdminService for Admins {
            $(
                async fn $method(
                    &self,
                    request: Request<wire::$request>,
                ) -> Result<Response<wire::$answer>, Status> {
                    let caller = caller(&request)?;
                    Ok(Response::new(self.$work(&caller, request.into_inner()).await?))
                }
            )*
        }
    };
}

methods! {
    create_seller(CreateSellerRequest) -> Seller = make_seller;
    get_seller(GetSellerRequest) -> Seller = read_seller;
    list_sellers(ListSellersRequest) -> ListSellersResponse = page_of_sellers;
    update_seller(UpdateSellerRequest) -> Seller = change_seller;
    create_brand(CreateBrandRequest) -> Brand = make_brand;
    get_brand(GetBrandRequest) -> Brand = read_brand;
    list_brands(ListBrandsRequest) -> ListBrandsResponse = page_of_brands;
    update_brand(UpdateBrandRequest) -> Brand = change_brand;
    create_program(CreateProgramRequest) -> Program = make_program;
    get_program(GetProgramRequest) -> Program = read_program;
    list_programs(ListProgramsRequest) -> ListProgramsResponse = page_of_programs;
    update_program(UpdateProgramRequest) -> Program = change_program;
    create_disclosure(CreateDisclosureRequest) -> Disclosure = make_disclosure;
    get_disclosure(GetDisclosureRequest) -> Disclosure = read_disclosure;
    list_disclosures(ListDisclosuresRequest) -> ListDisclosuresResponse = page_of_disclosures;
    update_disclosure(UpdateDisclosureRequest) -> Disclosure = change_disclosure;
    create_sender(CreateSenderRequest) -> Sender = make_sender;
    get_sender(GetSenderRequest) -> Sender = read_sender;
    list_senders(ListSendersRequest) -> ListSendersResponse = page_of_senders;
    update_sender(UpdateSenderRequest) -> Sender = change_sender;
    create_connection(CreateConnectionRequest) -> CreateConnectionResponse = make_connection;
    get_connection(GetConnectionRequest) -> Connection = read_connection;
    list_connections(ListConnectionsRequest) -> ListConnectionsResponse = page_of_connections;
    update_connection(UpdateConnectionRequest) -> Connection = change_connection;
    create_template(CreateTemplateRequest) -> Template = make_template;
    get_template(GetTemplateRequest) -> Template = read_template;
    list_templates(ListTemplatesRequest) -> ListTemplatesResponse = page_of_templates;
    update_template(UpdateTemplateRequest) -> Template = change_template;
    create_api_key(CreateApiKeyRequest) -> CreateApiKeyResponse = make_api_key;
    get_api_key(GetApiKeyRequest) -> ApiKey = read_api_key;
    list_api_keys(ListApiKeysRequest) -> ListApiKeysResponse = page_of_api_keys;
    update_api_key(UpdateApiKeyRequest) -> ApiKey = change_api_key;
    rotate_api_key(RotateApiKeyRequest) -> RotateApiKeyResponse = new_secret;
    rotate_connection_token(RotateConnectionTokenRequest) -> RotateConnectionTokenResponse = new_token;
    resume_connection(ResumeConnectionRequest) -> Connection = vouch;
    list_webhooks(ListWebhooksRequest) -> ListWebhooksResponse = all_webhooks;
    list_dead_letters(ListDeadLettersRequest) -> ListDeadLettersResponse = dead_letters;
    replay_dead_letters(ReplayDeadLettersRequest) -> ReplayDeadLettersResponse = replay_letters;
    get_policy(GetPolicyRequest) -> PolicyInfo = policy;
    check_policy(CheckPolicyRequest) -> CheckPolicyResponse = judge_policy;
}
