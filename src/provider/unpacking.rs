//! Answers that arrive compressed although that was not requested.

use std::borrow::Cow;
use std::io::{self, Write};

use awc::http::header::{CONTENT_ENCODING, HeaderMap};
use flate2::write::MultiGzDecoder;

use crate::headers;

/// The number of bytes decompressed at a time; gzip expands them at most a thousandfold.
const SIP: usize = 1 << 10;

/// Decompresses the body of an answer as it arrives if the answer says that it is compressed; otherwise passes it on.
pub(super) struct Unpacking {
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    /// Whether any of the body has arrived: an empty body is not compressed.
    begun: bool,
}

impl Unpacking {
    pub fn of(answer: &HeaderMap) -> Self {
        let gzip =
            headers::text(answer, CONTENT_ENCODING).is_some_and(|name| ["gzip", "x-gzip"].iter().any(|it| name.eq_ignore_ascii_case(it)));
        Self { decoder: gzip.then(|| MultiGzDecoder::new(Vec::new())), begun: false }
    }

    /// Returns what these bytes add to the body. Stops once that is more than `most` bytes.
    ///
    /// # Errors
    /// If the body is not compressed as the answer says.
    pub fn more<'a>(&mut self, bytes: &'a [u8], most: usize) -> io::Result<Cow<'a, [u8]>> {
        let Some(decoder) = &mut self.decoder else { return Ok(Cow::Borrowed(bytes)) };
        self.begun |= !bytes.is_empty();
        for sip in bytes.chunks(SIP) {
            decoder.write_all(sip)?;
            if decoder.get_ref().len() > most {
                break;
            }
        }
        Ok(Cow::Owned(std::mem::take(decoder.get_mut())))
    }

    /// The rest of the body, after its last byte has arrived.
    ///
    /// # Errors
    /// If something is missing.
    pub fn end(self) -> io::Result<Vec<u8>> {
        self.decoder.filter(|_| self.begun).map_or(Ok(Vec::new()), MultiGzDecoder::finish)
    }
}
