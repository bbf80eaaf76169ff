//! What receipt codes mean: the provider's list is only to be had live, so it is fetched, stored and refreshed.

use std::time::Duration;

use crate::api::Code;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::provider::Provider;
use crate::store::{Store, StoreError};

/// How old the list may grow.
const FRESH_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// When to try again after it could not be had.
const TRY_AGAIN: Duration = Duration::from_secs(10 * 60);

/// Fetches the list if it is missing or old. Returns when to look again.
///
/// # Errors
/// When the store fails.
pub async fn step(store: &Store, provider: &Provider, clock: &Clock) -> Result<Timestamp, StoreError> {
    let now = clock.now();
    if let Some(at) = store.codes_fetched_at().await?.filter(|at| now.since(*at) < FRESH_FOR) {
        return Ok(at.plus(FRESH_FOR));
    }
    match provider.codes().await {
        Ok(codes) if !codes.is_empty() => {
            store.set_codes(codes.into_iter().map(|(code, description)| Code { code, description }).collect()).await?;
            Ok(now.plus(FRESH_FOR))
        }
        Ok(_) => Ok(now.plus(TRY_AGAIN)),
        Err(error) => {
            log::debug!("the list of receipt codes cannot be had: {error}");
            Ok(now.plus(TRY_AGAIN))
        }
    }
}
