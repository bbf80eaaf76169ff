//! Decoding lists to UTF-8 from any encoding: spreadsheets also write UTF-16 and the Windows code pages.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The input as UTF-8 without a byte order mark. Bytes that are not UTF-8 stay as they are, see [`text`].
///
/// # Errors
/// If it cannot be read, or is not text.
pub(super) fn decoded<'a>(mut input: impl BufRead + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut head = Vec::with_capacity(4);
    input.by_ref().take(4).read_to_end(&mut head)?;
    let (encoding, mark) = match *head {
        [0x50, 0x4b, 3, 4] | [0xd0, 0xcf, 0x11, 0xe0] => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is a spreadsheet or an archive, not a text: save the sheet as CSV"));
        }
        [0xff, 0xfe, 0, 0] | [0, 0, 0xfe, 0xff] => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is written in UTF-32: save it as UTF-8"));
        }
        [0xef, 0xbb, 0xbf, ..] => (None, 3),
        [0xff, 0xfe, ..] => (Some(UTF_16LE), 2),
        [0xfe, 0xff, ..] => (Some(UTF_16BE), 2),
        [1..=255, 0, ..] => (Some(UTF_16LE), 0),
        [0, 1..=255, ..] => (Some(UTF_16BE), 0),
        _ => (None, 0),
    };
    head.drain(..mark);
    let bytes = Cursor::new(head).chain(input);
    Ok(match encoding {
        None => Box::new(bytes),
        Some(encoding) => {
            let decoder = encoding.new_decoder_without_bom_handling();
            Box::new(BufReader::new(Decoding { bytes, decoder, text: String::new(), at: 0, ended: false }))
        }
    })
}

/// A cell or a line as text. If it is not UTF-8, it was most likely written by a Windows program; digits are the same
/// there.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// Converts UTF-16 to UTF-8.
struct Decoding<R> {
    bytes: R,
    decoder: Decoder,
    text: String,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Read for Decoding<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.ended {
            let bytes = self.bytes.fill_buf()?;
            self.ended = bytes.is_empty();
            (self.at, self.text) = (0, String::with_capacity(self.decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len())));
            let (_, read, _) = self.decoder.decode_to_string(bytes, &mut self.text, self.ended);
            self.bytes.consume(read);
        }
        let ready = &self.text.as_bytes()[self.at..];
        let length = ready.len().min(into.len());
        into[..length].copy_from_slice(&ready[..length]);
        self.at += length;
        Ok(length)
    }
}
