//! `GET /v1/receipts` as a live stream (server-sent events).

use awc::http::header::{ACCEPT, HeaderName};
use serde::Serialize;

use super::endpoints::Client;
use super::error::ClientError;
use super::exchange::read;
use crate::api::{BatchId, Receipt};

impl Client {
    /// Follows the receipts of all batches, or of one, until the stream ends: when the daemon stops, or the connection
    /// is lost. With `last`, the id of the last receipt seen, no receipt in between is missed.
    ///
    /// `told` is called with each receipt, and with `None` at the start of the stream and whenever there is nothing
    /// new.
    ///
    /// # Errors
    /// If the stream is refused or breaks.
    pub async fn follow(
        &self,
        batch: Option<BatchId>,
        last: Option<i64>,
        mut told: impl FnMut(Option<Receipt>),
    ) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Query {
            batch: Option<BatchId>,
        }
        let mut headers = vec![(ACCEPT, "text/event-stream".to_owned())];
        headers.extend(last.map(|id| (HeaderName::from_static("last-event-id"), id.to_string())));
        let mut begun = Vec::new();
        self.exchange
            .stream("/v1/receipts", &Query { batch }, &headers, |chunk| {
                for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
                    begun.extend_from_slice(piece);
                    if let Some(line) = begun.strip_suffix(b"\n") {
                        if let Some(data) = line.strip_prefix(b"data:") {
                            told(Some(read(data)?));
                        } else if line.starts_with(b":") {
                            told(None);
                        }
                        begun.clear();
                    }
                }
                Ok(())
            })
            .await
    }
}
