//! Access to the connection below the HTTP server, for answers that no well-behaved server gives.
//!
//! Each connection's socket is duplicated when it is accepted, so a handler can write bytes past the server, and close
//! or reset a connection that the server believes to be open. Faults before a request is read (closing at once,
//! answering early) are left to `RawServer`.

use std::any::Any;
use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    dev::Extensions,
    http::{StatusCode, header},
    rt::net::TcpStream,
    web::Bytes,
};
use futures_util::stream;
use socket2::{SockRef, Socket};

use super::{Answer, reply::Reply};

struct Line(Socket);

/// Stores the connection's socket; for `HttpServer::on_connect`.
pub(super) fn tap(connection: &dyn Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>()
        && let Ok(socket) = SockRef::from(stream).try_clone()
    {
        extensions.insert(Line(socket));
    }
}

/// Answers as scripted. `honest` is the regular answer, if the script needs it or the request was processed.
pub(super) async fn perform(request: &HttpRequest, answer: Answer, honest: Option<Reply>) -> HttpResponse {
    let line = request.conn_data::<Line>();
    let honest = honest.unwrap_or_else(|| Reply::json(200, &serde_json::json!({})));
    match answer {
        Answer::Status { status, headers, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = HttpResponse::build(status);
            response.insert_header(header::ContentType::json());
            for (name, value) in headers {
                response.insert_header((name, value));
            }
            response.body(body)
        }
        Answer::Hang => std::future::pending().await,
        Answer::Close => cut(line, &[]),
        Answer::Reset => {
            if let Some(Line(socket)) = line {
                // Closing with a linger time of zero resets the connection.
                let _ = socket.set_linger(Some(Duration::ZERO));
            }
            broken_off()
        }
        Answer::Raw(bytes) => cut(line, &bytes),
        Answer::CutShort => {
            let mut bytes = format!(
                "HTTP/1.1 {} Simulated\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                honest.status,
                honest.body.len()
            )
            .into_bytes();
            bytes.extend_from_slice(&honest.body[..honest.body.len() / 2]);
            cut(line, &bytes)
        }
        Answer::WithoutIdentifier => Reply::json(200, &serde_json::json!({"status": "queued"})).into(),
        Answer::Interim(status) => {
            write(line, format!("HTTP/1.1 {status} Simulated\r\n\r\n").as_bytes());
            honest.into()
        }
        Answer::Slow(wait) => {
            tokio::time::sleep(wait).await;
            honest.into()
        }
        Answer::Drip(pause) => drip(honest, pause),
    }
}

fn write(line: Option<&Line>, bytes: &[u8]) {
    if let Some(Line(socket)) = line {
        // The client may be gone. The socket's buffer holds what tests send.
        let _ = (&mut &*socket).write_all(bytes);
    }
}

/// Writes the bytes and closes the connection.
fn cut(line: Option<&Line>, bytes: &[u8]) -> HttpResponse {
    write(line, bytes);
    if let Some(Line(socket)) = line {
        let _ = socket.shutdown(Shutdown::Write);
    }
    broken_off()
}

/// A body that fails at once makes the server drop the connection before it sends the head.
fn broken_off() -> HttpResponse {
    let failure = std::io::Error::other("scripted");
    HttpResponse::Ok().streaming(stream::iter([Err::<Bytes, _>(failure)]))
}

fn drip(honest: Reply, pause: Duration) -> HttpResponse {
    let length = honest.body.len() as u64;
    let mut response = HttpResponse::build(honest.code());
    response.insert_header(header::ContentType::json()).no_chunking(length);
    response.streaming(stream::unfold(honest.body.into_iter(), move |mut left| async move {
        let byte = left.next()?;
        tokio::time::sleep(pause).await;
        Some((Ok::<_, std::io::Error>(Bytes::from(vec![byte])), left))
    }))
}
