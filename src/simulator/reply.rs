//! The regular answers of the API.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;
use serde_json::json;

use super::order::Refusal;

/// A regular answer of the provider.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: u16, body: &impl Serialize) -> Self {
        Self { status, body: serde_json::to_vec(body).unwrap_or_default() }
    }

    pub(super) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Reply> for HttpResponse {
    fn from(reply: Reply) -> Self {
        Self::build(reply.code()).insert_header(header::ContentType::json()).body(reply.body)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, &json!({"error": refusal.reason}))
    }
}
