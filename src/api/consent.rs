//! `ConsentService`: records, confirms, takes back, looks up.

mod erase;
mod import;
mod lists;
mod lookup;
mod record;
mod renewal;

use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::service::{Hands, caller};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::consent_service_server::ConsentService;

/// The service.
#[derive(Clone)]
pub struct Consents {
    hands: Hands,
}

impl Consents {
    /// A service with these hands.
    pub fn new(hands: Hands) -> Consents {
        Consents { hands }
    }
}

type Rows = BoxStream<'static, Result<wire::ImportRowResult, Status>>;

#[tonic::async_trait]
impl ConsentService for Consents {
    async fn record_opt_in(
        &self,
        request: Request<wire::RecordOptInRequest>,
    ) -> Result<Response<wire::RecordOptInResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.opt_in(&caller, request.into_inner()).await?))
    }

    async fn confirm_opt_in(
        &self,
        request: Request<wire::ConfirmOptInRequest>,
    ) -> Result<Response<wire::ConfirmOptInResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.confirm(&caller, request.into_inner()).await?))
    }

    async fn record_opt_out(
        &self,
        request: Request<wire::RecordOptOutRequest>,
    ) -> Result<Response<wire::OptOut>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.opt_out(&caller, request.into_inner()).await?))
    }

    async fn reverse_opt_out(
        &self,
        request: Request<wire::ReverseOptOutRequest>,
    ) -> Result<Response<wire::OptOut>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.reverse(&caller, request.into_inner()).await?))
    }

    async fn get_consent(
        &self,
        request: Request<wire::GetConsentRequest>,
    ) -> Result<Response<wire::Consent>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.consent(&caller, request.into_inner()).await?))
    }

    async fn get_subject(
        &self,
        request: Request<wire::GetSubjectRequest>,
    ) -> Result<Response<wire::SubjectView>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.subject(&caller, request.into_inner()).await?))
    }

    async fn check_consents(
        &self,
        request: Request<wire::CheckConsentsRequest>,
    ) -> Result<Response<wire::CheckConsentsResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.check(&caller, request.into_inner()).await?))
    }

    async fn list_consent_events(
        &self,
        request: Request<wire::ListConsentEventsRequest>,
    ) -> Result<Response<wire::ListConsentEventsResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.events(caller, request.into_inner()).await?))
    }

    async fn list_consents(
        &self,
        request: Request<wire::ListConsentsRequest>,
    ) -> Result<Response<wire::ListConsentsResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.list(&caller, request.into_inner()).await?))
    }

    async fn send_consent_renewal(
        &self,
        request: Request<wire::SendConsentRenewalRequest>,
    ) -> Result<Response<wire::SendConsentRenewalResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.renew(&caller, request.into_inner()).await?))
    }

    type ImportConsentsStream = Rows;

    async fn import_consents(
        &self,
        request: Request<Streaming<wire::ImportConsentsRequest>>,
    ) -> Result<Response<Rows>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.consent_rows(caller, request.into_inner())))
    }

    type ImportSuppressionsStream = Rows;

    async fn import_suppressions(
        &self,
        request: Request<Streaming<wire::ImportSuppressionsRequest>>,
    ) -> Result<Response<Rows>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.suppression_rows(caller, request.into_inner())))
    }

    async fn record_number_check(
        &self,
        request: Request<wire::RecordNumberCheckRequest>,
    ) -> Result<Response<wire::NumberCheck>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.number_check(&caller, request.into_inner()).await?))
    }

    type ImportNumberChecksStream = Rows;

    async fn import_number_checks(
        &self,
        request: Request<Streaming<wire::ImportNumberChecksRequest>>,
    ) -> Result<Response<Rows>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.number_check_rows(caller, request.into_inner())))
    }

    async fn set_preferences(
        &self,
        request: Request<wire::SetPreferencesRequest>,
    ) -> Result<Response<wire::Preferences>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.wishes(&caller, request.into_inner()).await?))
    }

    async fn erase_subject(
        &self,
        request: Request<wire::EraseSubjectRequest>,
    ) -> Result<Response<wire::EraseSubjectResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.erase(&caller, request.into_inner()).await?))
    }

    async fn set_legal_hold(
        &self,
        request: Request<wire::SetLegalHoldRequest>,
    ) -> Result<Response<wire::LegalHold>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.hold(&caller, request.into_inner()).await?))
    }

    async fn clear_legal_hold(
        &self,
        request: Request<wire::ClearLegalHoldRequest>,
    ) -> Result<Response<wire::LegalHold>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.release(&caller, request.into_inner()).await?))
    }

    async fn list_inbound(
        &self,
        request: Request<wire::ListInboundRequest>,
    ) -> Result<Response<wire::ListInboundResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.inbound(&caller, request.into_inner()).await?))
    }

    async fn resolve_inbound(
        &self,
        request: Request<wire::ResolveInboundRequest>,
    ) -> Result<Response<wire::InboundMessage>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.resolve(&caller, request.into_inner()).await?))
    }
}
