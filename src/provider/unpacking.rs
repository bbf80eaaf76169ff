//! Answers that come compressed, although none is asked for so.

use std::borrow::Cow;
use std::io::{self, Write};

use awc::http::header::{CONTENT_ENCODING, HeaderMap};
use flate2::write::MultiGzDecoder;

use crate::headers;

/// Bytes that are unpacked at a time: gzip makes at most a thousand times as many of them.
const SIP: usize = 1 << 10;

/// Unpacks the body of an answer as it arrives, where the answer says that it is packed; else hands it on.
pub(super) struct Unpacking {
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    /// An answer without a body is none that is packed.
    begun: bool,
}

impl Unpacking {
    pub fn of(answer: &HeaderMap) -> Self {
        let gzip =
            headers::text(answer, CONTENT_ENCODING).is_some_and(|name| ["gzip", "x-gzip"].iter().any(|it| name.eq_ignore_ascii_case(it)));
        Self { decoder: gzip.then(|| MultiGzDecoder::new(Vec::new())), begun: false }
    }

    /// What these bytes add to the body. Once that is more than `most`, the rest of it is left out.
    ///
    /// # Errors
    /// It is not packed as the answer says.
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

    /// The rest of the body, after its last byte has come.
    ///
    /// # Errors
    /// Something is missing.
    pub fn end(self) -> io::Result<Vec<u8>> {
        self.decoder.filter(|_| self.begun).map_or(Ok(Vec::new()), MultiGzDecoder::finish)
    }
}
