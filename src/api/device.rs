//! `DeviceService`: installations of apps, and where notifications to them go.

use tonic::{Request, Response, Status};

use super::auth::Caller;
use super::convert::device as shown;
use super::restricted::Eyes;
use super::service::{Hands, caller};
use super::status::ApiError;
use crate::model::subject::Address;
use crate::model::{CustomerId, SenderId};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::device_service_server::DeviceService;
use crate::writer::ops::device::{DeleteDevice, KnownDevice, known_device};
use crate::writer::{Cx, OpError};

/// The service.
#[derive(Clone)]
pub struct Devices {
    hands: Hands,
}

impl Devices {
    /// A service with these hands.
    pub fn new(hands: Hands) -> Devices {
        Devices { hands }
    }

    /// A page of an app's installations, or all of a customer's: those are at most 8.
    async fn list(
        &self,
        caller: &Caller,
        request: wire::ListDevicesRequest,
    ) -> Result<wire::ListDevicesResponse, ApiError> {
        let mut f = self.hands.fields();
        let question =
            wire::ListDevicesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let app = f.optional_id::<SenderId>("app", &request.app);
        let customer = f.optional_id::<CustomerId>("customer_id", &request.customer_id);
        let page = f.page(request.page_size, &request.page_token, &question);
        let read = (|| Some((app?, customer?, page?)))();
        let (app, customer, page) = f.finish(read)?;
        let app = app.map(|app| app.to_string()).unwrap_or_default();
        let of_app = |known: &KnownDevice| match &known.address {
            Address::Device { app: own, .. } => app.is_empty() || *own == app,
            Address::Phone(_) => false,
        };
        let reached = |known: &KnownDevice| caller.reaches(&known.device.brand);
        if let Some(customer) = customer {
            let found = self.hands.see(caller, "ListDevices", move |reader, eyes| {
                reader.look(|cx| {
                    let found = cx.customer_devices(&customer)?.into_iter();
                    found
                        .filter_map(|known| {
                            may_see(cx, eyes, &known).map(|may| may.then_some(known)).transpose()
                        })
                        .collect()
                })
            });
            let mut found: Vec<KnownDevice> = found.await?;
            found.retain(|known| of_app(known) && reached(known));
            let devices = found.iter().map(shown::device).collect();
            return Ok(wire::ListDevicesResponse { devices, next_page_token: String::new() });
        }
        let after = Some(page.after.as_slice()).filter(|after| !after.is_empty());
        let (after, size) = (after.map(<[u8]>::to_vec), page.size);
        let found = self.hands.see(caller, "ListDevices", move |reader, eyes| {
            reader.look(|cx| {
                let found = cx.app_devices(&app, after.as_deref(), size)?.into_iter();
                found.map(|(key, known)| Ok((key, may_see(cx, eyes, &known)?.then_some(known)))).collect()
            })
        });
        let found: Vec<(Vec<u8>, Option<KnownDevice>)> = found.await?;
        let more = found.last().filter(|_| found.len() == page.size);
        let next_page_token = more.map(|(key, _)| page.next(key)).unwrap_or_default();
        let shown = found.iter().filter_map(|(_, known)| known.as_ref());
        let devices = shown.filter(|known| reached(known)).map(shown::device).collect();
        Ok(wire::ListDevicesResponse { devices, next_page_token })
    }
}

fn may_see(cx: &mut Cx<'_>, eyes: &mut Eyes, known: &KnownDevice) -> Result<bool, OpError> {
    match cx.find_subject(&known.address)?.0 {
        Some(subject) => eyes.sees(cx, &subject.id),
        None => Ok(true),
    }
}

#[tonic::async_trait]
impl DeviceService for Devices {
    async fn upsert_device(
        &self,
        request: Request<wire::UpsertDeviceRequest>,
    ) -> Result<Response<wire::Device>, Status> {
        let caller = caller(&request)?;
        let mut f = self.hands.fields();
        let read = shown::report(&mut f, request.into_inner(), &caller);
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let known = self.hands.write(op).await?;
        Ok(Response::new(shown::device(&known)))
    }

    async fn delete_device(
        &self,
        request: Request<wire::DeleteDeviceRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = caller(&request)?;
        let mut f = self.hands.fields();
        let read = f.required("key", request.into_inner().key, shown::key);
        let (app, installation) = f.finish(read)?;
        let address = Address::Device { app: app.clone(), installation: installation.clone() };
        let known = self.hands.look(|cx| known_device(cx, &address))?;
        if !known.is_some_and(|(_, device)| caller.reaches(&device.brand)) {
            return Err(ApiError::NotFound { kind: "device of app", name: app }.into());
        }
        self.hands.write(DeleteDevice { app, installation, actor: caller.key.clone() }).await?;
        Ok(Response::new(()))
    }

    async fn list_devices(
        &self,
        request: Request<wire::ListDevicesRequest>,
    ) -> Result<Response<wire::ListDevicesResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.list(&caller, request.into_inner()).await?))
    }
}
