//! `CartService`: writes, reads and closes carts.

use tonic::{Request, Response, Status};

use super::convert::cart::{cart as shown, report};
use super::convert::names;
use super::field::{Lines, TimeRule};
use super::service::{Hands, caller};
use super::status::ApiError;
use crate::model::{BrandId, CartId};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::cart_service_server::CartService;
use crate::writer::ops::cart::{CloseCart, UpsertCart, cart_of};

/// The service.
#[derive(Clone)]
pub struct Carts {
    hands: Hands,
}

impl Carts {
    /// A service with these hands.
    pub fn new(hands: Hands) -> Carts {
        Carts { hands }
    }
}

#[tonic::async_trait]
impl CartService for Carts {
    async fn upsert_cart(
        &self,
        request: Request<wire::UpsertCartRequest>,
    ) -> Result<Response<wire::Cart>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let brand = f.id("brand", &request.brand);
        let cart = f.required("cart", request.cart, report);
        let observed_at = f.time("observed_at", request.observed_at, TimeRule::Happened);
        let read = (|| Some((brand?, cart?, observed_at?)))();
        let (brand, mut cart, observed_at) = f.finish(read)?;
        caller.check_brand(&brand)?;
        cart.observed_at = observed_at;
        let written = self.hands.write(UpsertCart { brand, cart, actor: caller.key.clone() }).await?;
        Ok(Response::new(shown(&written)))
    }

    async fn get_cart(&self, request: Request<wire::GetCartRequest>) -> Result<Response<wire::Cart>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let brand = f.id::<BrandId>("brand", &request.brand);
        let id = f.id::<CartId>("id", &request.id);
        let read = (|| Some((brand?, id?)))();
        let (brand, id) = f.finish(read)?;
        caller.check_brand(&brand)?;
        let found = self.hands.look(|cx| cart_of(cx, &brand, &id))?;
        let cart = found.ok_or(ApiError::NotFound { kind: "cart", name: id.to_string() })?;
        Ok(Response::new(shown(&cart)))
    }

    async fn close_cart(
        &self,
        request: Request<wire::CloseCartRequest>,
    ) -> Result<Response<wire::CloseCartResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let brand = f.id("brand", &request.brand);
        let id = f.id("id", &request.id);
        let state = f.named("state", request.state, names::cart_state_of);
        let order_id = f.text("order_id", request.order_id, 0..=128, Lines::One);
        let closed_at = f.time("closed_at", request.closed_at, TimeRule::Happened);
        let actor = caller.key.clone();
        let read = (|| {
            let order_id = order_id?;
            Some(CloseCart { brand: brand?, id: id?, state: state?, order_id, closed_at: closed_at?, actor })
        })();
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let closed = self.hands.write(op).await?;
        Ok(Response::new(wire::CloseCartResponse {
            cart: Some(shown(&closed.cart)),
            cancelled_messages: closed.cancelled.iter().map(ToString::to_string).collect(),
            in_flight_messages: closed.in_flight.iter().map(ToString::to_string).collect(),
        }))
    }
}
