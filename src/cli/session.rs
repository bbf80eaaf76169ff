//! What every command needs: the configuration, a client of the daemon, and the output.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Failure;
use super::output::Output;
use crate::client::Client;
use crate::config::{Config, Loaded, Sources};
use crate::domain::{Msisdn, NumberReader, quoted};
use crate::secret::Secret;

/// One run of a command.
#[derive(Clone, Debug)]
pub struct Session {
    /// Where results go.
    pub output: Output,
    config_file: Option<PathBuf>,
}

impl Session {
    /// Creates a session. `config_file` is the value of `--config`.
    pub fn new(config_file: Option<PathBuf>, output: Output) -> Self {
        Self { output, config_file }
    }

    /// The value of `--config`.
    pub(super) fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }

    /// Reads the configuration.
    pub fn load(&self) -> Result<Loaded, Failure> {
        self.load_with(Vec::new())
    }

    /// Reads the configuration with flags, given as keys (`provider.rate`) and values.
    pub fn load_with(&self, overrides: Vec<(String, String)>) -> Result<Loaded, Failure> {
        Ok(Config::load(&Sources::from_process(self.config_file.clone(), overrides)?)?)
    }

    /// The configuration, and a client of the daemon that it describes.
    pub fn connect(&self) -> Result<(Config, Client), Failure> {
        let config = self.load()?.config;
        let address = base(config.api.listen);
        match read_token(&config.api.token_file) {
            Ok(token) => Ok((config, Client::new(&address, token.expose()))),
            // The daemon would have created the file, so usually there is no daemon yet.
            Err(failure) if !config.api.token_file.exists() && !listens(&address) => {
                Err(Failure::Unreachable(format!("cannot reach the daemon at {address}, and {failure}")))
            }
            Err(failure) => Err(failure),
        }
    }

    /// A client of the daemon.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(self.connect()?.1)
    }

    /// A client without a token, for the health endpoints.
    pub fn client_without_token(&self) -> Result<Client, Failure> {
        Ok(Client::new(&base(self.load()?.config.api.listen), ""))
    }
}

/// Reads a number given as an argument.
pub fn number(config: &Config, text: &str) -> Result<Msisdn, Failure> {
    let read = NumberReader::new(config.provider.default_region).read(text);
    read.map(|read| read.number).map_err(|error| Failure::Usage(format!("{} {error}", quoted(text))))
}

/// The address of the private listener on the same machine.
pub fn base(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

fn listens(base: &str) -> bool {
    let address = base.trim_start_matches("http://").parse();
    address.is_ok_and(|address| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
}

/// Reads the API token.
pub fn read_token(file: &Path) -> Result<Secret, Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::Usage(match error.kind() {
            io::ErrorKind::NotFound => format!(
                "there is no token file {shown}. The daemon creates it on first start: start `receiptd serve`, \
                 or pass the daemon's configuration with --config"
            ),
            io::ErrorKind::PermissionDenied => {
                let owner =
                    owner(file).filter(|uid| *uid != 0).map_or_else(String::new, |uid| format!(" (its owner has the user id {uid})"));
                format!(
                    "this user cannot read the token file {shown}: run the command as the user the daemon runs as{owner}, \
                     for instance with `sudo -u USER receiptd …`, or join the group that may read it (with the package: \
                     `sudo adduser $USER receiptd`, then log out and in again)"
                )
            }
            _ => format!("cannot read the token file {shown}: {error}"),
        })
    })?;
    let token = text.trim();
    if token.is_empty() || token.contains(|c: char| c.is_whitespace() || !c.is_ascii_graphic()) {
        return Err(Failure::Usage(format!(
            "the token file {shown} contains no valid token: delete it and restart the daemon, which creates a new one"
        )));
    }
    Ok(Secret::from(token))
}

#[cfg(unix)]
fn owner(file: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(file).ok().map(|metadata| metadata.uid())
}

#[cfg(not(unix))]
fn owner(_: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_over_the_loopback() {
        for (listen, expected) in [
            ("127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("0.0.0.0:81", "http://127.0.0.1:81"),
            ("[::]:81", "http://[::1]:81"),
            ("[::1]:81", "http://[::1]:81"),
            ("10.1.2.3:9", "http://10.1.2.3:9"),
        ] {
            assert_eq!(base(listen.parse().expect("an address")), expected);
        }
    }

    #[test]
    fn a_token_file_that_is_missing_or_empty_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("receiptd.token");
        let missing = read_token(&file).expect_err("missing");
        assert!(missing.to_string().contains("receiptd.token") && missing.to_string().contains("receiptd serve"), "{missing}");
        assert_eq!(missing.exit_code(), 2);
        fs::write(&file, " \n").expect("written");
        assert!(read_token(&file).is_err());
        fs::write(&file, "abc\n").expect("written");
        assert_eq!(read_token(&file).expect("a token").expose(), "abc");
    }
}
