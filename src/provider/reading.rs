//! Reading an answer to its end, within its bounds.

use std::time::Duration;

use awc::ClientResponse;
use awc::http::header::{self, HeaderMap};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::outcome::{Answer, Exchange};
use super::unpacking::Unpacking;
use crate::domain::ErrorKind;
use crate::headers;

/// The most of an answer that is read: enough for any answer to a submission or a cancellation.
pub(super) const SMALL: usize = 64 << 10;

/// The bounds of what `Retry-After` is taken for.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3600)];

/// How much of an answer is read, and where to.
pub(super) struct Kept {
    pub most: usize,
    /// Where the body of a 200 goes as it arrives; only its beginning is kept then.
    pub pieces: Option<mpsc::Sender<Vec<u8>>>,
}

impl Kept {
    pub fn whole(most: usize) -> Self {
        Self { most, pieces: None }
    }
}

/// Reads an answer to its end, and makes sure that it is the end.
pub(super) async fn read(mut response: ClientResponse, kept: Kept) -> Exchange {
    let status = response.status().as_u16();
    let [shortest, longest] = RETRY_AFTER;
    let retry_after = headers::retry_after(response.headers()).map(|wait| wait.clamp(shortest, longest));
    let date = headers::date(response.headers());
    let answered = |body| Exchange::Answered(Answer { status, retry_after, date, body });
    // An interim answer is all that awc hands out: the final one is lost.
    if status < 200 {
        return Exchange::Answered(Answer { status, retry_after, date: None, body: Vec::new() });
    }
    let announced = announced(status, response.headers());
    let mut unpacking = Unpacking::of(response.headers());
    let mut taking = Taking { pieces: kept.pieces.filter(|_| status == 200), most: kept.most, length: 0, body: Vec::new() };
    let mut arrived = 0;
    // A refusal is clear from its first line, however much is said of it, and in whatever way.
    let is_clear = status >= 400;
    while let Some(chunk) = response.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return Exchange::lost(ErrorKind::CutShort, Some(status), error.to_string()),
        };
        arrived += chunk.len() as u64;
        match unpacking.more(&chunk, kept.most) {
            Ok(piece) => match taking.take(&piece).await {
                Taken::Yes => {}
                Taken::TooMuch if is_clear => return answered(taking.body),
                Taken::TooMuch => {
                    return Exchange::lost(ErrorKind::TooLong, Some(status), format!("the answer is longer than {} bytes", kept.most));
                }
                // Its reader has had enough of it, and will say why.
                Taken::NotWanted => return answered(taking.body),
            },
            Err(_) if is_clear => return answered(taking.body),
            Err(error) => {
                return Exchange::lost(ErrorKind::Unreadable, Some(status), format!("the answer is not packed as it says: {error}"));
            }
        }
    }
    // awc takes a connection that was closed in the middle for the end of the body.
    if let Some(announced) = announced.filter(|announced| *announced != arrived) {
        let mut detail = format!("the answer was cut short, {arrived} of {announced} bytes: ").into_bytes();
        detail.append(&mut taking.body);
        return Exchange::lost(ErrorKind::CutShort, Some(status), detail);
    }
    match unpacking.end() {
        Ok(rest) => match taking.take(&rest).await {
            Taken::TooMuch if !is_clear => {
                Exchange::lost(ErrorKind::TooLong, Some(status), format!("the answer is longer than {} bytes", kept.most))
            }
            _ => answered(taking.body),
        },
        Err(_) if is_clear => answered(taking.body),
        Err(error) => Exchange::lost(ErrorKind::CutShort, Some(status), format!("the answer was cut short: {error}")),
    }
}

/// An answer as it is taken, within its bound.
struct Taking {
    pieces: Option<mpsc::Sender<Vec<u8>>>,
    most: usize,
    length: usize,
    body: Vec<u8>,
}

enum Taken {
    Yes,
    /// More than `most`.
    TooMuch,
    NotWanted,
}

impl Taking {
    async fn take(&mut self, piece: &[u8]) -> Taken {
        self.length += piece.len();
        let keep = if self.pieces.is_some() { SMALL } else { self.most };
        self.body.extend_from_slice(&piece[..piece.len().min(keep.saturating_sub(self.body.len()))]);
        if self.length > self.most {
            return Taken::TooMuch;
        }
        match &self.pieces {
            Some(pieces) if !piece.is_empty() && pieces.send(piece.to_vec()).await.is_err() => Taken::NotWanted,
            _ => Taken::Yes,
        }
    }
}

/// How long the body will be, where the head says so.
fn announced(status: u16, headers: &HeaderMap) -> Option<u64> {
    if matches!(status, 204 | 304) || headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    headers::content_length(headers)
}
