//! Reading request bodies within bounds of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::store::StoreError;

/// A body must have come within this time.
const BODY_TIME: Duration = Duration::from_secs(10);
/// So many bytes of each body are not counted: single receipts get through however many large bodies there are.
const FREE: usize = 4 << 10;

/// The memory that the bodies of a listener share, in bytes, from their arrival until their answer. A body that does not
/// fit is refused as busy, so that many large bodies can fill neither the memory nor one commit.
#[derive(Clone)]
pub struct BodyBudget(Arc<Semaphore>);

/// What a body takes of the budget; nothing yet, or nothing at all for a small one.
type Share = Option<OwnedSemaphorePermit>;

/// A body, and its share of the budget.
pub(super) struct Body {
    pub bytes: Vec<u8>,
    share: Share,
}

impl BodyBudget {
    /// With so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Enlarges a share so that it covers a body of so many bytes.
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

/// The body, with at most `most` bytes.
pub(super) async fn body(request: &HttpRequest, mut payload: Payload, most: u64, budget: &BodyBudget) -> Result<Body, ApiError> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > most) {
        return Err(ApiError::TooLarge(most));
    }
    let read = async {
        let mut body = Body { bytes: Vec::new(), share: None };
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| ApiError::field("", "the body ended before its time"))?;
            let length = body.bytes.len() + chunk.len();
            if length as u64 > most {
                return Err(ApiError::TooLarge(most));
            }
            budget.cover(&mut body.share, length)?;
            if body.bytes.is_empty() && declared == Some(chunk.len() as u64) {
                body.bytes = chunk.into(); // all of it at once, as nearly always: no copy
                return Ok(body);
            }
            if body.bytes.is_empty() {
                // Once, instead of growing through all sizes: what is not touched of it takes no memory.
                body.bytes.reserve_exact(declared.map_or(length, |declared| usize::try_from(declared).unwrap_or(length)));
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
