//! `LinkService`: makes short links, tells who followed them.

use tonic::{Request, Response, Status};

use super::auth::{Caller, Role};
use super::convert::link::{click, link as shown};
use super::field::{Fields, TimeRule};
use super::service::{Hands, caller, idempotency};
use super::status::ApiError;
use super::walk::{Path, newest_first, place_of};
use crate::ledger::body::Body;
use crate::ledger::entry::SELLER_CHAIN;
use crate::ledger::rows::keys;
use crate::model::cart::Link;
use crate::model::{LinkCode, Span};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::link_service_server::LinkService;
use crate::writer::ops::link::{CreateLink, url_of};
use crate::writer::{Cx, OpError};

/// Furthest end of a link.
const EXPIRES_MAX: Span = Span::days(400);

/// The service.
#[derive(Clone)]
pub struct Links {
    hands: Hands,
}

impl Links {
    /// A service with these hands.
    pub fn new(hands: Hands) -> Links {
        Links { hands }
    }

    /// The link of a code, if the key reaches its brand.
    async fn find(
        &self,
        caller: &Caller,
        method: &'static str,
        code: &LinkCode,
    ) -> Result<std::sync::Arc<Link>, ApiError> {
        let (wanted, brands) = (code.clone(), caller.clone());
        let found = self.hands.see(caller, method, move |reader, eyes| {
            reader.look(|cx| {
                let found = cx.get::<Link>(&keys::link(&wanted))?.filter(|link| brands.reaches(&link.brand));
                let Some(link) = found else { return Ok(None) };
                Ok(eyes.sees(cx, &link.subject.unwrap_or(SELLER_CHAIN))?.then_some(link))
            })
        });
        found.await?.ok_or(ApiError::NotFound { kind: "link", name: code.to_string() })
    }

    async fn clicks(
        &self,
        caller: &Caller,
        request: wire::ListClicksRequest,
    ) -> Result<wire::ListClicksResponse, ApiError> {
        let mut f = self.hands.fields();
        let question = wire::ListClicksRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let code = f.id::<LinkCode>("code", &request.code);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((code?, page?)))();
        let (code, page) = f.finish(read)?;
        let link = self.find(caller, "ListClicks", &code).await?;
        let shows_agent = caller.roles.has_any(&[Role::Auditor]);
        let (below, size, human_only) = (place_of(&page.after), page.size, request.human_only);
        let walked = self
            .hands
            .look_long(move |reader| {
                let path = Path::Chain(link.subject.unwrap_or(SELLER_CHAIN));
                newest_first(reader, path, below, size, |_, entry| match &entry.body {
                    Body::Click(body) if body.code == link.code => {
                        let wanted = body.clicks.iter().rev().filter(|c| c.human || !human_only);
                        Ok(Some(wanted.map(|c| click(c, &link, shows_agent)).collect::<Vec<_>>()))
                    }
                    _ => Ok(None),
                })
            })
            .await?;
        let next_page_token = walked.next.map(|place| page.next(&place.to_be_bytes())).unwrap_or_default();
        Ok(wire::ListClicksResponse { clicks: walked.items.into_iter().flatten().collect(), next_page_token })
    }
}

fn creation(f: &mut Fields, mut wire: wire::CreateLinkRequest, caller: &Caller) -> Option<CreateLink> {
    let key = f.idempotency_key(std::mem::take(&mut wire.idempotency_key));
    let idempotency = idempotency("CreateLink", key.clone().unwrap_or_default(), &wire);
    let link = f.required("link", wire.link, |f, link| {
        let brand = f.id("brand", &link.brand);
        let target = f.required_link("target_url", link.target_url);
        let expires_at = f.time("expires_at", link.expires_at, TimeRule::AheadBy(EXPIRES_MAX));
        Some((brand?, target?.url, expires_at?))
    });
    key?;
    let (brand, target, expires_at) = link?;
    Some(CreateLink { brand, target, expires_at, idempotency, actor: caller.key.clone() })
}

fn whole(cx: &mut Cx<'_>, link: &Link) -> Result<wire::Link, OpError> {
    let brand = cx.known_brand(&link.brand)?;
    Ok(shown(link, url_of(&brand, link)))
}

#[tonic::async_trait]
impl LinkService for Links {
    async fn create_link(
        &self,
        request: Request<wire::CreateLinkRequest>,
    ) -> Result<Response<wire::Link>, Status> {
        let caller = caller(&request)?;
        let mut f = self.hands.fields();
        let read = creation(&mut f, request.into_inner(), &caller);
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let made = self.hands.write(op).await?;
        Ok(Response::new(shown(&made.link, made.url)))
    }

    async fn get_link(&self, request: Request<wire::GetLinkRequest>) -> Result<Response<wire::Link>, Status> {
        let caller = caller(&request)?;
        let mut f = self.hands.fields();
        let code = f.id::<LinkCode>("code", &request.get_ref().code);
        let code = f.finish(code)?;
        let link = self.find(&caller, "GetLink", &code).await?;
        Ok(Response::new(self.hands.look(|cx| whole(cx, &link))?))
    }

    async fn list_clicks(
        &self,
        request: Request<wire::ListClicksRequest>,
    ) -> Result<Response<wire::ListClicksResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.clicks(&caller, request.into_inner()).await?))
    }
}
