//! Reading request bodies within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::Current;
use super::error::ApiError;
use super::sipping::NO_LENGTH;
use crate::headers;
use crate::receive::{Packing, Unpacked};
use crate::store::StoreError;

/// The time limit for receiving a body.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The bytes of each body that are not counted, so that single receipts get through however many large bodies there
/// are.
const FREE: usize = 4 << 10;

/// The memory in bytes that the bodies of a listener share, from their arrival to their answer. A body that does not
/// fit is refused as busy, so that many large bodies cannot fill the memory or a single commit.
#[derive(Clone)]
pub struct BodyBudget(Arc<Semaphore>);

/// A body's part of the budget; `None` for a small body.
type Share = Option<OwnedSemaphorePermit>;

/// A body and its part of the budget.
pub(super) struct Body {
    pub bytes: Vec<u8>,
    share: Share,
}

impl BodyBudget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Enlarges a part so that it covers a body of this size.
    fn cover(&self, share: &mut Share, bytes: usize) -> Result<(), ApiError> {
        let wanted = bytes.saturating_sub(FREE + share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if wanted == 0 {
            return Ok(());
        }
        let busy = ApiError::Store(StoreError::Busy, None);
        let Ok(wanted) = u32::try_from(wanted) else { return Err(busy) };
        let Ok(more) = self.0.clone().try_acquire_many_owned(wanted) else { return Err(busy) };
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}

impl Body {
    /// Decompresses the body. If it cannot be decompressed it stays as it arrived, because some senders leave the
    /// header on a body that is not compressed.
    pub fn unpack(&mut self, packing: Packing, most: u64, budget: &BodyBudget) -> Result<(), ApiError> {
        match packing.unpack(&self.bytes, most) {
            Unpacked::Whole(bytes) => {
                budget.cover(&mut self.share, bytes.len())?;
                self.bytes = bytes;
                Ok(())
            }
            Unpacked::TooLarge => Err(ApiError::TooLarge(most)),
            Unpacked::Broken => Ok(()),
        }
    }
}

/// The compression of a request's body.
///
/// # Errors
/// If it is not supported.
pub(super) fn packing(headers: &HeaderMap) -> Result<Option<Packing>, ApiError> {
    let mut packing = None;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for coding in value.to_str().map_err(|_| ApiError::Encoding)?.split(',') {
            let this = match coding.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Packing::Gzip,
                "deflate" => Packing::Deflate,
                _ => return Err(ApiError::Encoding),
            };
            if packing.replace(this).is_some() {
                return Err(ApiError::Encoding); // compressed twice
            }
        }
    }
    Ok(packing)
}

/// Whether the request gives the length of its body, or sends it in chunks.
pub(super) fn has_length(headers: &HeaderMap) -> bool {
    match headers::content_length(headers) {
        Some(length) => length != NO_LENGTH,
        None => headers.contains_key(header::TRANSFER_ENCODING),
    }
}

/// Reads the body, up to `most` bytes. `connection` is notified of each piece.
pub(super) async fn body(
    request: &HttpRequest,
    mut payload: Payload,
    most: u64,
    budget: &BodyBudget,
    connection: Option<&Current>,
) -> Result<Body, ApiError> {
    let declared = headers::content_length(request.headers());
    if declared.is_some_and(|length| length > most) {
        return Err(ApiError::TooLarge(most));
    }
    let declared = declared.and_then(|length| usize::try_from(length).ok());
    let read = async {
        let mut body = Body { bytes: Vec::new(), share: None };
        while declared != Some(body.bytes.len())
            && let Some(chunk) = payload.next().await
        {
            let mut chunk = chunk.map_err(|_| ApiError::field("", "the body is incomplete"))?;
            // With `Upgrade: websocket`, actix-web treats everything that follows as the body.
            chunk.truncate(declared.map_or(usize::MAX, |declared| declared - body.bytes.len()));
            let length = body.bytes.len() + chunk.len();
            if length as u64 > most {
                return Err(ApiError::TooLarge(most));
            }
            budget.cover(&mut body.share, length)?;
            if body.bytes.is_empty() && declared == Some(chunk.len()) {
                body.bytes = chunk.into(); // the whole body at once, as nearly always: no copy
                return Ok(body);
            }
            if let Some(connection) = connection {
                connection.note();
            }
            if body.bytes.is_empty() {
                // Allocates once instead of growing step by step. Untouched memory costs nothing.
                body.bytes.reserve_exact(declared.unwrap_or(length));
            }
            body.bytes.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    tokio::time::timeout(BODY_TIME, read).await.unwrap_or(Err(ApiError::TooSlow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_compressed_in_one_way_or_not_at_all() {
        use header::HeaderValue;
        for (lines, expected) in [
            (&[][..], Ok(None)),
            (&["identity"], Ok(None)),
            (&[""], Ok(None)),
            (&["gzip"], Ok(Some(Packing::Gzip))),
            (&["X-GZIP"], Ok(Some(Packing::Gzip))),
            (&["identity, Deflate "], Ok(Some(Packing::Deflate))),
            (&["gzip, gzip"], Err(())),
            (&["deflate", "gzip"], Err(())),
            (&["br"], Err(())),
            (&["gzip;q=1"], Err(())),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(packing(&headers).map_err(|_| ()), expected, "{lines:?}");
        }
    }

    #[test]
    fn large_bodies_share_the_budget_and_small_ones_need_none_of_it() {
        let budget = BodyBudget::new(10_000);
        let (mut first, mut second, mut small) = (None, None, None);
        budget.cover(&mut first, FREE + 6_000).expect("it fits");
        budget.cover(&mut first, FREE + 7_000).expect("it fits");
        assert!(budget.cover(&mut second, FREE + 3_001).is_err());
        budget.cover(&mut small, FREE).expect("nothing is needed");
        assert!(small.is_none());
        drop(first);
        budget.cover(&mut second, FREE + 10_000).expect("it is free again");
    }
}
