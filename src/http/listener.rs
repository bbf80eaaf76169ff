//! A listener with its limits, and little memory for each connection.

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::{ConnectionType, HttpService};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse, fn_service};
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::{Connections, Taking};

/// The first head of a connection must have come within this time.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longer than [`IDLE`](super::connections::IDLE), so that the sweeper decides.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection that was answered before its body had come is kept, so that its sender reads the answer.
const LINGER: Duration = Duration::from_secs(1);
/// Threads of each worker that read the file or a large body; more of them only take memory from one another.
const BLOCKING: usize = 8;
/// What is read of a connection before the others have their turn; actix-web itself would read up to 128 KiB ahead, for
/// which 2,000 connections need 250 MB.
const SIP: usize = 4 << 10;
/// The first head of a connection may have so many bytes; actix-web itself takes 128 KiB. Whoever got a first request
/// through knows a token, for what nobody knows is answered with the end of the connection.
const HEAD: usize = 16 << 10;

/// Serves an application on a listener. `patience` is what remains for answers when it is stopped.
///
/// # Errors
/// When the socket cannot be listened on.
pub fn serve<F, T, B>(listener: TcpListener, connections: Connections, workers: usize, patience: Duration, app: F) -> io::Result<Server>
where
    F: Fn() -> App<T> + Send + Clone + 'static,
    T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = actix_web::Error, InitError = ()> + 'static,
    B: MessageBody + 'static,
{
    let service = move || {
        let (connections, ending, failing) = (connections.clone(), connections.clone(), connections.clone());
        let app = app().into_factory().map(move |mut response: ServiceResponse<B>| {
            if ending.are_ending() {
                response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            response
        });
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIME)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(move |stream: &Sipping, extensions| {
                if let Some(taking) = connections.opened(&stream.stream, extensions) {
                    let _ = stream.taking.set(taking); // it is opened once
                }
            })
            .h1(map_config(app.map_err(|error| error.error_response()), |()| AppConfig::default()));
        fn_service(|stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            std::future::ready(Ok((Sipping { stream, read: 0, head: FirstHead::default(), taking: OnceLock::new() }, peer)))
        })
        .and_then(http.map_err(move |error| {
            failing.failed(&error);
            error
        }))
    };
    let builder = Server::build().workers(workers).worker_max_blocking_threads(BLOCKING).max_concurrent_connections(20_000); // ours decide
    Ok(builder.shutdown_timeout(patience.as_secs()).disable_signals().listen("receiptd", listener, service)?.run())
}

/// A connection that lets its reader take no more than a sip at a time.
struct Sipping {
    stream: TcpStream,
    /// Since the reader last had to wait.
    read: usize,
    head: FirstHead,
    taking: OnceLock<Taking>,
}

impl Sipping {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(1..)), Some(taking)) = (&written, self.taking.get()) {
            taking.note();
        }
        written
    }
}

/// How far the first head of a connection has come.
#[derive(Default)]
struct FirstHead {
    length: usize,
    line: Line,
}

#[derive(Default, PartialEq, Eq)]
enum Line {
    #[default]
    Begun,
    /// Nothing is on this line yet: if it ends so, the head is at its end.
    Empty,
    /// There is no more of the head.
    Last,
}

impl FirstHead {
    /// Whether the head is within its bounds yet.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match (&self.line, byte) {
                (Line::Last, _) => break,
                (Line::Empty, b'\n') => self.line = Line::Last,
                (Line::Empty, b'\r') => {}
                (_, b'\n') => self.line = Line::Empty,
                _ => self.line = Line::Begun,
            }
            self.length += 1;
        }
        self.length <= HEAD
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
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_pending() {
            self.read = 0;
        }
        ready!(polled)?;
        let new = &buffer.filled()[before..];
        self.read += new.len();
        if !self.head.takes(new) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too large")));
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
    use std::io::{Read, Write};

    use actix_web::web::{self, Bytes};
    use actix_web::{HttpResponse, rt};
    use futures_util::{StreamExt, stream};

    use super::*;
    use crate::clock::Clock;
    use crate::domain::Timestamp;
    use crate::http::IDLE;

    /// More than the buffers of both sides hold: to have taken so much, some of it must have been written meanwhile.
    const MUCH: usize = 16 << 20;

    /// Whether the next so many bytes come.
    fn take(stream: &mut std::net::TcpStream, bytes: usize) -> bool {
        let mut piece = vec![0; bytes];
        stream.read_exact(&mut piece).is_ok()
    }

    #[actix_web::test]
    async fn who_takes_an_answer_is_not_idle_however_long_that_is_and_who_takes_nothing_is() {
        let clock = Clock::stopped_at(Timestamp::from_millis(0));
        let connections = Connections::new(10, clock.clone());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = serve(listener, connections.clone(), 1, Duration::from_secs(1), || {
            let endless = || async {
                HttpResponse::Ok().streaming(stream::repeat(Bytes::from_static(&[b'x'; 64 << 10])).map(Ok::<_, actix_web::Error>))
            };
            App::new().default_service(web::to(endless))
        })
        .expect("it serves");
        let handle = server.handle();
        rt::spawn(server);
        let reading = rt::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).expect("connected");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("asked");
            for _ in 0..4 {
                assert!(take(&mut stream, MUCH), "cut although it takes what comes");
                clock.step(IDLE * 5 / 6);
                assert_eq!(connections.sweep(IDLE), 0);
            }
            // Until the buffers between both are full, it still takes something.
            let cut = (0..1_000).any(|_| {
                clock.step(IDLE * 2);
                std::thread::yield_now();
                connections.sweep(IDLE) == 1
            });
            assert!(cut);
            assert!(!take(&mut stream, 4 * MUCH), "it was cut, and what was on its way ends");
        });
        reading.await.expect("no panic");
        handle.stop(false).await;
    }

    #[test]
    fn a_first_head_has_its_bounds_and_what_follows_has_none() {
        for end in ["\r\n\r\n", "\n\n", "\n\r\n"] {
            let mut head = FirstHead::default();
            for piece in ["POST / HTTP/1.1\r\nHost: x", end] {
                for byte in piece.as_bytes() {
                    assert!(head.takes(&[*byte]));
                }
            }
            assert!(head.takes(&[b'x'; 2 * HEAD]), "{end:?}");
        }
        let mut head = FirstHead::default();
        assert!(head.takes(&[b'x'; HEAD]));
        assert!(!head.takes(b"x"));
    }
}
