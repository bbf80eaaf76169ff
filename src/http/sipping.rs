//! Reading a connection in small pieces, with a limit on its first head.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::Taking;

/// The number of bytes read from a connection before other connections get their turn. actix-web would read up to 128
/// KiB ahead, which takes 250 MB for 2,000 connections.
const SIP: usize = 4 << 10;
/// The largest first head of a connection in bytes; actix-web accepts 128 KiB. A client whose first request succeeded
/// knows a token, because the answer to an unknown path closes the connection.
const HEAD: usize = 16 << 10;
/// Stands for the length of a body whose sender does not give it.
pub(super) const NO_LENGTH: u64 = u64::MAX;
/// The header field with [`NO_LENGTH`].
const NO_LENGTH_FIELD: &[u8] = b"content-length: 18446744073709551615\r\n";

/// A connection from which at most a small piece is read at a time.
pub(super) struct Sipping {
    pub stream: TcpStream,
    pub taking: OnceLock<Taking>,
    /// Bytes read since the reader last had to wait.
    read: usize,
    head: FirstHead,
    marks_no_length: bool,
}

impl Sipping {
    /// With `marks_no_length`, a first request that posts a body without a length gets [`NO_LENGTH`]. actix-web would
    /// take the body for another request, and would refuse HTTP/1.0 without asking the application.
    pub fn new(stream: TcpStream, marks_no_length: bool) -> Self {
        Self { stream, taking: OnceLock::new(), read: 0, head: FirstHead::default(), marks_no_length }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(1..)), Some(taking)) = (&written, self.taking.get()) {
            taking.note();
        }
        written
    }
}

/// The state of parsing the first head of a connection.
#[derive(Default)]
struct FirstHead {
    length: usize,
    /// The beginning of the current line, as much as is needed to recognise it.
    line: [u8; "transfer-encoding:".len()],
    on_line: usize,
    has_request_line: bool,
    is_post: bool,
    has_length: bool,
    is_over: bool,
}

impl FirstHead {
    /// Parses more bytes. Returns the position in them of the line that ends the head.
    ///
    /// # Errors
    /// If the head is too long.
    fn read(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        if self.is_over {
            return Ok(None);
        }
        let mut end = None;
        for (at, byte) in bytes.iter().enumerate() {
            self.length += 1;
            match byte {
                b'\n' if self.on_line > 0 => self.end_line(),
                b'\n' if self.has_request_line => {
                    self.is_over = true;
                    end = Some(if at > 0 && bytes[at - 1] == b'\r' { at - 1 } else { at });
                    break;
                }
                b'\n' => {}
                b'\r' if self.on_line == 0 => {}
                _ => {
                    if let Some(place) = self.line.get_mut(self.on_line) {
                        *place = *byte;
                    }
                    self.on_line += 1;
                }
            }
        }
        if self.length > HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too large"));
        }
        Ok(end)
    }

    fn end_line(&mut self) {
        let line = &self.line[..self.on_line.min(self.line.len())];
        let begins = |name: &str| line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name.as_bytes());
        if !self.has_request_line {
            (self.has_request_line, self.is_post) = (true, line.starts_with(b"POST "));
        } else if begins("content-length:") || begins("transfer-encoding:") {
            self.has_length = true;
        }
        self.on_line = 0;
    }
}

impl AsyncRead for Sipping {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= SIP {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = if self.marks_no_length && !self.head.is_over {
            // Leaves room for the field that may have to be added.
            let most = buffer.remaining().saturating_sub(NO_LENGTH_FIELD.len()).max(1);
            let mut some = ReadBuf::new(buffer.initialize_unfilled_to(most));
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut some);
            let read = some.filled().len();
            buffer.advance(read);
            polled
        } else {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        };
        if polled.is_pending() {
            self.read = 0;
        }
        ready!(polled)?;
        let new = &buffer.filled()[before..];
        self.read += new.len();
        let end = self.head.read(new)?;
        if let Some(end) = end
            && self.marks_no_length
            && self.head.is_post
            && !self.head.has_length
            && buffer.remaining() >= NO_LENGTH_FIELD.len()
        {
            buffer.put_slice(NO_LENGTH_FIELD);
            buffer.filled_mut()[before + end..].rotate_right(NO_LENGTH_FIELD.len());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sipping {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_head_has_its_bounds_and_what_follows_has_none() {
        for end in ["\r\n\r\n", "\n\n", "\n\r\n"] {
            let mut head = FirstHead::default();
            for piece in ["\r\nPOST / HTTP/1.1\r\nHost: x", end] {
                for byte in piece.as_bytes() {
                    assert!(head.read(&[*byte]).is_ok());
                }
            }
            assert!(head.is_over && head.read(&[b'x'; 2 * HEAD]).is_ok(), "{end:?}");
        }
        let mut head = FirstHead::default();
        assert!(head.read(&[b'x'; HEAD]).is_ok());
        assert!(head.read(b"x").is_err());
    }

    #[test]
    fn a_first_head_tells_whether_it_posts_a_body_without_a_length() {
        for (text, marked) in [
            ("POST / HTTP/1.0\r\n\r\n{}", true),
            ("POST / HTTP/1.1\nHost: content-length\n\n", true),
            ("POST / HTTP/1.1\r\nContent-Lengthy: 3\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nCONTENT-length: 3\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nTransfer-Encoding:chunked\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", false),
        ] {
            let mut head = FirstHead::default();
            let end = head.read(text.as_bytes()).expect("short").expect("its end");
            assert_eq!(head.is_post && !head.has_length, marked, "{text:?}");
            assert!(["\r\n", "\n", "\r\n{}"].contains(&&text[end..]), "{text:?}");
        }
    }
}
