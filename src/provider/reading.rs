//! Reading an answer to its end, within limits.

use std::time::Duration;

use awc::ClientResponse;
use awc::http::header::{self, HeaderMap};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::outcome::{Answer, Exchange};
use super::unpacking::Unpacking;
use crate::domain::ErrorKind;
use crate::headers;

/// The largest answer in bytes to most calls: enough for any answer to a submission or a cancellation.
pub(super) const SMALL: usize = 64 << 10;

/// The limits of `Retry-After`.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3600)];

/// How much of an answer is kept, and where it goes.
pub(super) struct Kept {
    pub most: usize,
    /// Where the body of a 200 goes as it arrives; then only its beginning is kept.
    pub pieces: Option<mpsc::Sender<Vec<u8>>>,
}

impl Kept {
    pub fn whole(most: usize) -> Self {
        Self { most, pieces: None }
    }
}

/// Reads an answer to its end, and checks that it is complete.
pub(super) async fn read(mut response: ClientResponse, kept: Kept) -> Exchange {
    let status = response.status().as_u16();
    let [shortest, longest] = RETRY_AFTER;
    let retry_after = headers::retry_after(response.headers()).map(|wait| wait.clamp(shortest, longest));
    let date = headers::date(response.headers());
    let answered = |body| Exchange::Answered(Answer { status, retry_after, date, body });
    // If awc returns an interim answer, the final answer is lost.
    if status < 200 {
        return Exchange::Answered(Answer { status, retry_after, date: None, body: Vec::new() });
    }
    let announced = announced(status, response.headers());
    let mut unpacking = Unpacking::of(response.headers());
    let mut taking = Taking { pieces: kept.pieces.filter(|_| status == 200), most: kept.most, length: 0, body: Vec::new() };
    let mut arrived = 0;
    // A refusal is clear from its status line, whatever its body contains.
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
                // The reader has stopped, and will report why.
                Taken::NotWanted => return answered(taking.body),
            },
            Err(_) if is_clear => return answered(taking.body),
            Err(error) => {
                return Exchange::lost(ErrorKind::Unreadable, Some(status), format!("the answer is not compressed as it says: {error}"));
            }
        }
    }
    // awc treats a connection that was closed early as the end of the body.
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

/// An answer as it is read, within its limit.
struct Taking {
    pieces: Option<mpsc::Sender<Vec<u8>>>,
    most: usize,
    length: usize,
    body: Vec<u8>,
}

enum Taken {
    Yes,
    /// More than `most` bytes.
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

/// The length of the body, if the head gives it.
fn announced(status: u16, headers: &HeaderMap) -> Option<u64> {
    if matches!(status, 204 | 304) || headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    headers::content_length(headers)
}
