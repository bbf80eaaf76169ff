//! Sockets opened before the daemon started: systemd's socket activation (`LISTEN_FDS`). Clients that connect while the
//! daemon restarts wait in such a socket, whereas a socket of our own would refuse them.

use std::net::{IpAddr, SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

use super::error::ServeError;
use super::listeners::Listeners;
use crate::config::DaemonConfig;

impl Listeners {
    /// Takes the sockets that this process was started with, and assigns them by their address. Call it before there
    /// are other threads, because it removes the variables from the environment.
    ///
    /// # Errors
    /// If a socket belongs to neither listener: it would stay open without ever being served.
    pub fn inherited(config: &DaemonConfig) -> Result<Self, ServeError> {
        let mut given = ListenFd::from_env();
        let mut listeners = Self::default();
        for index in 0..given.len() {
            let wrong = |what: String| ServeError::Inherited { number: index + 1, what };
            let listener = match given.take_tcp_listener(index) {
                Ok(Some(listener)) => listener,
                Ok(None) => continue,
                Err(error) => return Err(wrong(format!("is not a TCP socket ({error})"))),
            };
            if SockRef::from(&listener).peer_addr().is_ok() {
                return Err(wrong("is a single connection: set Accept=no in the socket unit".to_owned()));
            }
            listeners.assign(listener, config).map_err(wrong)?;
        }
        Ok(listeners)
    }

    fn assign(&mut self, listener: TcpListener, config: &DaemonConfig) -> Result<(), String> {
        let address = listener.local_addr().map_err(|error| format!("has no address ({error})"))?;
        let (callback, api) = (config.config.callback.listen, config.config.api.listen);
        let (key, place) = if same(address, callback) {
            ("callback.listen", &mut self.public)
        } else if same(address, api) {
            ("api.listen", &mut self.private)
        } else {
            return Err(format!(
                "listens on {address}, which is neither callback.listen ({callback}) nor api.listen ({api}): make ListenStream= \
                 of the socket unit and the configuration agree"
            ));
        };
        if place.replace(listener).is_some() {
            return Err(format!("is a second socket for {key} ({address}): one is enough"));
        }
        log::info!("{key}: using the socket on {address} from the service manager");
        Ok(())
    }
}

/// systemd writes "every address" as `[::]`, which includes IPv4.
fn same(given: SocketAddr, configured: SocketAddr) -> bool {
    let (here, there): (IpAddr, IpAddr) = (given.ip().to_canonical(), configured.ip().to_canonical());
    given.port() == configured.port() && (here == there || here.is_unspecified() && there.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_recognised_however_it_is_written() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        for (given, configured, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("[::]:80", "0.0.0.0:80", true),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            // This would be open to everyone although only this machine was intended.
            ("0.0.0.0:80", "127.0.0.1:80", false),
        ] {
            assert_eq!(same(address(given), address(configured)), expected, "{given} {configured}");
        }
    }
}
