//! `DeviceService`: its place in the contract; the methods come with push.

use tonic::{Request, Response, Status};

use super::status::ApiError;
use crate::pb::consentry::v1::device_service_server::DeviceService;
use crate::pb::consentry::v1::{
    DeleteDeviceRequest, Device, ListDevicesRequest, ListDevicesResponse, UpsertDeviceRequest,
};

/// The area of work that brings these methods.
const AREA: &str = "real providers: push and its devices";

/// Answers that push is not there yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Devices;

fn later<T>() -> Result<Response<T>, Status> {
    Err(ApiError::Unimplemented { area: AREA }.into())
}

#[tonic::async_trait]
impl DeviceService for Devices {
    async fn upsert_device(&self, _: Request<UpsertDeviceRequest>) -> Result<Response<Device>, Status> {
        later()
    }
    async fn delete_device(&self, _: Request<DeleteDeviceRequest>) -> Result<Response<()>, Status> {
        later()
    }
    async fn list_devices(
        &self,
        _: Request<ListDevicesRequest>,
    ) -> Result<Response<ListDevicesResponse>, Status> {
        later()
    }
}
