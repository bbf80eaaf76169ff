//! Stopping the servers so that nobody who has called is left without an answer.

use std::time::Duration;

use actix_web::dev::ServerHandle;

use crate::http::Connections;

/// What was accepted has come to a worker and sent its request by then, or is idle.
const SETTLED: Duration = Duration::from_millis(100);

/// Stops accepting, gives each connection its last answer, closes what is idle, and returns once nothing is left.
///
/// Callers who come later wait in the socket: where the service manager holds it, for the next daemon.
pub(super) async fn stop_servers(handles: &[ServerHandle; 2], connections: &[Connections; 2]) {
    // Not stopped at once: connections that are on their way to a worker would be dropped unanswered.
    for handle in handles {
        handle.pause().await;
    }
    connections.iter().for_each(Connections::answer_for_the_last_time);
    loop {
        tokio::time::sleep(SETTLED).await;
        for open in connections {
            open.sweep(SETTLED);
        }
        if connections.iter().all(|open| open.count() == 0) {
            break;
        }
    }
    futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true))).await;
}
