//! `CouponService`: pools, codes, redemptions.

use tonic::{Request, Response, Status};

use super::auth::Caller;
use super::convert::{coupon as shown, names, subject};
use super::field::{Fields, Lines};
use super::service::{Hands, caller, idempotency};
use super::status::ApiError;
use crate::ledger::entry::SELLER_CHAIN;
use crate::model::{BrandId, PoolId};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::coupon_service_server::CouponService;
use crate::writer::ops::coupon::{
    CODES_A_BATCH, ImportCouponCodes, RedeemCoupon, ReleaseCoupon, VoidCoupon, coupon_of, pool_of,
};

/// The service.
#[derive(Clone)]
pub struct Coupons {
    hands: Hands,
}

impl Coupons {
    /// A service with these hands.
    pub fn new(hands: Hands) -> Coupons {
        Coupons { hands }
    }

    /// Imports in batches; a repeat after a break skips what is there.
    async fn import(
        &self,
        caller: &Caller,
        request: wire::ImportCouponCodesRequest,
    ) -> Result<wire::ImportCouponCodesResponse, ApiError> {
        let mut f = self.hands.fields();
        let brand = f.id::<BrandId>("brand", &request.brand);
        let pool = f.id::<PoolId>("pool", &request.pool);
        let codes = shown::codes(&mut f, request.codes);
        let read = (|| Some((brand?, pool?, codes?)))();
        let (brand, pool, codes) = f.finish(read)?;
        caller.check_brand(&brand)?;
        let mut answer = wire::ImportCouponCodesResponse::default();
        for batch in codes.chunks(CODES_A_BATCH) {
            let op = ImportCouponCodes {
                brand: brand.clone(),
                pool: pool.clone(),
                codes: batch.to_vec(),
                actor: caller.key.clone(),
            };
            let imported = self.hands.write(op).await?;
            answer.added += imported.added;
            answer.skipped += imported.skipped.len() as u64;
            answer.coupon_pool = Some(shown::pool(&imported.pool));
        }
        Ok(answer)
    }
}

fn redemption(f: &mut Fields, mut wire: wire::RedeemCouponRequest, caller: &Caller) -> Option<RedeemCoupon> {
    let key = f.idempotency_key(std::mem::take(&mut wire.idempotency_key));
    subject::canonical(&mut wire.subject);
    let idempotency = idempotency("RedeemCoupon", key.clone().unwrap_or_default(), &wire);
    let brand = f.id("brand", &wire.brand);
    let code = shown::code(f, wire.code);
    let order_id = f.text("order_id", wire.order_id, 1..=128, Lines::One);
    let cart = f.optional_id("cart_id", &wire.cart_id);
    let subject = f.optional("subject", wire.subject, subject::target_within);
    let channel = f.maybe_named("channel", wire.channel, names::channel_of);
    key?;
    Some(RedeemCoupon {
        brand: brand?,
        code: code?,
        order_id: order_id?,
        cart: cart?,
        subject: subject?,
        channel: channel?,
        idempotency,
        actor: caller.key.clone(),
    })
}

#[tonic::async_trait]
impl CouponService for Coupons {
    async fn create_coupon_pool(
        &self,
        request: Request<wire::CreateCouponPoolRequest>,
    ) -> Result<Response<wire::CouponPool>, Status> {
        let caller = caller(&request)?;
        let mut f = self.hands.fields();
        let read = f.required("coupon_pool", request.into_inner().coupon_pool, |f, pool| {
            shown::new_pool(f, pool, caller.key.clone())
        });
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        Ok(Response::new(shown::pool(&*self.hands.write(op).await?)))
    }

    async fn get_coupon_pool(
        &self,
        request: Request<wire::GetCouponPoolRequest>,
    ) -> Result<Response<wire::CouponPool>, Status> {
        let caller = caller(&request)?;
        let mut f = self.hands.fields();
        let brand = f.id::<BrandId>("brand", &request.get_ref().brand);
        let pool = f.id::<PoolId>("pool", &request.get_ref().pool);
        let read = (|| Some((brand?, pool?)))();
        let (brand, id) = f.finish(read)?;
        caller.check_brand(&brand)?;
        let found = self.hands.look(|cx| pool_of(cx, &brand, &id))?;
        let pool = found.ok_or(ApiError::NotFound { kind: "coupon pool", name: id.to_string() })?;
        Ok(Response::new(shown::pool(&pool)))
    }

    async fn import_coupon_codes(
        &self,
        request: Request<wire::ImportCouponCodesRequest>,
    ) -> Result<Response<wire::ImportCouponCodesResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.import(&caller, request.into_inner()).await?))
    }

    async fn get_coupon(
        &self,
        request: Request<wire::GetCouponRequest>,
    ) -> Result<Response<wire::Coupon>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let brand = f.id::<BrandId>("brand", &request.brand);
        let code = shown::code(&mut f, request.code);
        let read = (|| Some((brand?, code?)))();
        let (brand, code) = f.finish(read)?;
        caller.check_brand(&brand)?;
        let found = self.hands.see(&caller, "GetCoupon", move |reader, eyes| {
            reader.look(|cx| {
                let Some(coupon) = coupon_of(cx, &brand, &code)? else { return Ok(None) };
                Ok(eyes.sees(cx, &coupon.subject.unwrap_or(SELLER_CHAIN))?.then_some(coupon))
            })
        });
        let found = found.await?;
        // A code is worth money: it is not repeated in what may be logged.
        let coupon = found.ok_or(ApiError::NotFound { kind: "coupon", name: "of that code".to_owned() })?;
        Ok(Response::new(shown::coupon(&coupon, self.hands.now())))
    }

    async fn redeem_coupon(
        &self,
        request: Request<wire::RedeemCouponRequest>,
    ) -> Result<Response<wire::RedeemCouponResponse>, Status> {
        let caller = caller(&request)?;
        let mut f = self.hands.fields();
        let read = redemption(&mut f, request.into_inner(), &caller);
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let redeemed = self.hands.write(op).await?;
        Ok(Response::new(wire::RedeemCouponResponse {
            result: shown::result(redeemed.result).into(),
            coupon: redeemed.coupon.map(|coupon| shown::coupon(&coupon, self.hands.now())),
        }))
    }

    async fn release_coupon(
        &self,
        request: Request<wire::ReleaseCouponRequest>,
    ) -> Result<Response<wire::Coupon>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let brand = f.id("brand", &request.brand);
        let code = shown::code(&mut f, request.code);
        let order_id = f.text("order_id", request.order_id, 1..=128, Lines::One);
        let actor = caller.key.clone();
        let read = (|| Some(ReleaseCoupon { brand: brand?, code: code?, order_id: order_id?, actor }))();
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let released = self.hands.write(op).await?;
        Ok(Response::new(shown::coupon(&released, self.hands.now())))
    }

    async fn void_coupon(
        &self,
        request: Request<wire::VoidCouponRequest>,
    ) -> Result<Response<wire::Coupon>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut f = self.hands.fields();
        let brand = f.id("brand", &request.brand);
        let code = shown::code(&mut f, request.code);
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let actor = caller.key.clone();
        let read = (|| Some(VoidCoupon { brand: brand?, code: code?, reason: reason?, actor }))();
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let voided = self.hands.write(op).await?;
        Ok(Response::new(shown::coupon(&voided, self.hands.now())))
    }
}
