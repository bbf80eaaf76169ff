//! The meanings of receipt codes: the provider's list is available only from its API, so it is fetched, stored and
//! refreshed.

use std::time::Duration;

use crate::api::Code;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::provider::Provider;
use crate::store::{Store, StoreError};

/// The maximum age of the stored list.
const FRESH_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The delay before another attempt after the list could not be fetched.
const TRY_AGAIN: Duration = Duration::from_secs(10 * 60);

/// Fetches the list if it is missing or too old. Returns when to check again.
///
/// # Errors
/// If the store fails.
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
            log::debug!("cannot fetch the list of receipt codes: {error}");
            Ok(now.plus(TRY_AGAIN))
        }
    }
}
