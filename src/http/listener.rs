//! A listener with limits, which needs little memory per connection.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::{ConnectionType, HttpService};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse, fn_service};
use actix_web::rt::net::TcpStream;

use super::connections::Connections;
use super::sipping::Sipping;

/// The time limit for the first head of a connection.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longer than [`IDLE`](super::connections::IDLE), so that the sweeper decides.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection is kept after a request was answered before its body arrived, so that the client reads the
/// answer.
const LINGER: Duration = Duration::from_secs(1);
/// The number of blocking threads per worker, which read the file or large bodies. More of them would only compete for
/// memory.
const BLOCKING: usize = 8;

/// Serves an application on a listener. `patience` is the time for open requests when the server is stopped. With
/// `need_length`, a body without a given length is marked, so that the application can refuse it.
///
/// # Errors
/// If listening on the socket fails.
/// When the socket cannot be listened on.
pub fn serve<F, T, B>(
    listener: TcpListener,
    connections: Connections,
    workers: usize,
    patience: Duration,
    need_length: bool,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> App<T> + Send + Clone + 'static,
    T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = actix_web::Error, InitError = ()> + 'static,
    B: MessageBody + 'static,
{
    let service = move || {
        let (connections, ending, failing) = (connections.clone(), connections.clone(), connections.clone());
        let app = app().into_factory().map(move |mut response: ServiceResponse<B>| {
            // actix-web closes the connection after `Connection: upgrade` without announcing it.
            let upgrades = response.request().head().connection_type() == ConnectionType::Upgrade;
            if upgrades || ending.are_ending() {
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
                    let _ = stream.taking.set(taking); // set only once
                }
            })
            .h1(map_config(app.map_err(|error| error.error_response()), |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            std::future::ready(Ok((Sipping::new(stream, need_length), peer)))
        })
        .and_then(http.map_err(move |error| {
            failing.failed(&error);
            error
        }))
    };
    let builder = Server::build().workers(workers).worker_max_blocking_threads(BLOCKING).max_concurrent_connections(20_000); // our own limits apply first
    Ok(builder.shutdown_timeout(patience.as_secs()).disable_signals().listen("receiptd", listener, service)?.run())
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

    /// More than the buffers of both sides: after reading this much, some of it must have been written in the meantime.
    const MUCH: usize = 16 << 20;

    /// Whether this many bytes can be read.
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
        let server = serve(listener, connections.clone(), 1, Duration::from_secs(1), false, || {
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
                assert!(take(&mut stream, MUCH), "closed although the client reads");
                clock.step(IDLE * 5 / 6);
                assert_eq!(connections.sweep(IDLE), 0);
            }
            // The connection is active until the buffers on both sides are full.
            let cut = (0..1_000).any(|_| {
                clock.step(IDLE * 2);
                std::thread::yield_now();
                connections.sweep(IDLE) == 1
            });
            assert!(cut);
            assert!(!take(&mut stream, 4 * MUCH), "closed, so the rest does not arrive");
        });
        reading.await.expect("no panic");
        handle.stop(false).await;
    }
}
