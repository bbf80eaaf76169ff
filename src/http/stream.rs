//! The receipt log as a live stream (server-sent events).
//!
//! A client that keeps up is sent the pages of the [`Feed`](super::Feed). A client that is new or too slow reads the
//! log itself, page by page, until it has caught up. So a slow client costs neither memory nor the writer's time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use tokio::sync::{broadcast, watch};

use super::connections::{Busy, Connections};
use super::error::ApiError;
use super::feed::{PAGE, Page, events};
use super::query::Parameters;
use super::state::ApiState;
use crate::api::Receipt;
use crate::store::ReceiptFilter;

/// The interval of heartbeats on a quiet stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The progress of a follower.
struct Follower {
    state: Data<ApiState>,
    filter: ReceiptFilter,
    /// The last receipt that it was sent or that its filter excludes.
    last: i64,
    pages: broadcast::Receiver<Arc<Page>>,
    /// Whether it reads the log itself.
    behind: bool,
    greeted: bool,
    /// When it must be sent something, even if no receipt matches its filter.
    heartbeat: Instant,
    stopping: watch::Receiver<bool>,
    /// Keeps the connection from being idle, however little is sent.
    _busy: Option<Busy>,
}

/// `GET /v1/receipts` with `Accept: text/event-stream`: starts after `Last-Event-ID`, else after `after`, else with new
/// receipts.
pub(super) async fn stream(request: &HttpRequest, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let mut query = Parameters::of(request)?;
    let after = query.cursor("after");
    let filter = ReceiptFilter { batch: query.parsed("batch", "a UUID"), delivered: query.parsed("delivered", "true or false") };
    let _ = query.limit(); // a stream has no pages
    query.finish()?;
    let pages = state.feed.pages.subscribe();
    let resumed = match request.headers().get("last-event-id").map(|id| id.to_str().map(str::trim)) {
        None | Some(Ok("")) => None,
        Some(id) => Some(id.ok().and_then(|id| id.parse::<i64>().ok()).filter(|id| *id >= 0).ok_or_else(|| {
            ApiError::field("Last-Event-ID", "is not the id of an event of this stream: leave it out to start with new receipts")
        })?),
    };
    let last = resumed.or(after).unwrap_or_else(|| *state.store.newest_receipt().borrow());
    let stopping = state.feed.stopping.clone();
    let follower = Follower {
        state,
        filter,
        last,
        pages,
        behind: true,
        greeted: false,
        heartbeat: Instant::now() + HEARTBEAT,
        stopping,
        _busy: Connections::busy(request),
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream::unfold(follower, |mut follower| async move {
            let events = follower.next().await?;
            Some((Ok::<_, actix_web::Error>(events), follower))
        })))
}

impl Follower {
    /// The next events; `None` when the daemon stops.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Bytes::from_static(b": receipts of this daemon, oldest first\n\n")); // so that the client sees at once that the stream works
        }
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            let events = if self.behind { self.read().await } else { self.listen().await? };
            if !events.is_empty() {
                self.state.feed.turn(events.len()).await;
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(events);
            }
            if Instant::now() >= self.heartbeat {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(Bytes::from_static(b": heartbeat\n\n"));
            }
        }
    }

    async fn read(&mut self) -> Bytes {
        match self.state.store.receipts(self.last, self.filter, PAGE).await {
            Ok((page, next)) => {
                self.behind = next.is_some();
                self.last = next.or_else(|| page.last().map(|receipt| receipt.id)).unwrap_or(self.last);
                events(page.iter())
            }
            Err(error) => {
                log::debug!("a follower cannot read the receipt log at the moment: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                Bytes::new()
            }
        }
    }

    async fn listen(&mut self) -> Option<Bytes> {
        tokio::select! {
            page = self.pages.recv() => match page {
                Ok(page) => {
                    let (last, filter) = (self.last, self.filter);
                    self.last = page.receipts.last().map_or(last, |receipt| receipt.id.max(last));
                    let is_for_me = |receipt: &Receipt| receipt.id > last && filter.matches(receipt);
                    Some(if page.receipts.iter().all(is_for_me) {
                        page.events.clone()
                    } else {
                        events(page.receipts.iter().filter(|receipt| is_for_me(receipt)))
                    })
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.behind = true;
                    Some(Bytes::new())
                }
                Err(broadcast::error::RecvError::Closed) => None,
            },
            () = tokio::time::sleep_until(self.heartbeat.into()) => Some(Bytes::new()),
            _ = self.stopping.changed() => None,
        }
    }
}
