//! The sockets that the daemon listens on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, SockRef, Socket, Type};

use super::error::ServeError;

/// The size in bytes of the kernel's receive buffer for a connection.
const RECEIVE_BUFFER: usize = 16 << 10;
/// The number of connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Sockets that are open already; the configuration opens the others.
#[derive(Default)]
pub struct Listeners {
    /// The socket for callbacks.
    pub public: Option<TcpListener>,
    /// The socket for the REST API.
    pub private: Option<TcpListener>,
}

/// The socket of a listener: the one that is open already, or a new one. `key` is its configuration key.
pub(super) fn listen(key: &'static str, address: SocketAddr, given: Option<TcpListener>) -> Result<TcpListener, ServeError> {
    let listener = match given {
        Some(listener) => listener,
        None => open(address).map_err(|source| ServeError::Listen { key, address, source })?,
    };
    SockRef::from(&listener).set_recv_buffer_size(RECEIVE_BUFFER)?; // inherited by connections
    Ok(listener)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Raises the limit of open files as far as possible: each connection takes two descriptors.
pub(super) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(65_536).min(65_536);
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })
    {
        log::debug!("the limit of open files remains {:?}: {error}", limit.current);
    }
}
