//! Sockets that were open before the daemon was: systemd's socket activation (`LISTEN_FDS`). Whoever calls while the
//! daemon restarts waits in such a socket, where one of our own would refuse him.

use std::net::{IpAddr, SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

use super::error::ServeError;
use super::listeners::Listeners;
use crate::config::DaemonConfig;

impl Listeners {
    /// Takes the sockets that this process was started with; what each is for, its address says. To be called before
    /// there are other threads: the variables are taken out of the environment.
    ///
    /// # Errors
    /// When one is for neither listener: it would be open, and nobody would ever answer on it.
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
                return Err(wrong("is a single connection: write Accept=no into the socket unit".to_owned()));
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
            return Err(format!("is a second one for {key} ({address}): one is enough"));
        }
        log::info!("{key}: the socket on {address} was open already and is taken over; callers waited in it");
        Ok(())
    }
}

/// Systemd writes "every address" as `[::]`, which takes IPv4 as well.
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
            // Open to everybody where only this machine was meant.
            ("0.0.0.0:80", "127.0.0.1:80", false),
        ] {
            assert_eq!(same(address(given), address(configured)), expected, "{given} {configured}");
        }
    }
}
