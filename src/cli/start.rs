//! How to start the daemon on this machine, which depends on how it was installed.

use std::path::Path;

use crate::config::Loaded;

/// Where systemd units are, from the package or from an administrator.
const UNITS: [&str; 3] =
    ["/etc/systemd/system/receiptd.service", "/usr/lib/systemd/system/receiptd.service", "/lib/systemd/system/receiptd.service"];

/// The configuration that the unit uses.
const OF_THE_UNIT: &str = "/etc/receiptd/receiptd.toml";

/// The command that starts the daemon with this configuration.
pub(super) fn command(loaded: &Loaded) -> String {
    command_for(&loaded.file, loaded.file_found, UNITS.iter().any(|unit| Path::new(unit).exists()))
}

fn command_for(file: &Path, file_found: bool, has_unit: bool) -> String {
    if has_unit && file == Path::new(OF_THE_UNIT) {
        return "sudo systemctl start receiptd".to_owned();
    }
    let is_here = file.file_name().is_some_and(|name| name == "receiptd.toml")
        && std::env::current_dir().is_ok_and(|here| file.parent() == Some(&here));
    if !file_found || is_here { "receiptd serve".to_owned() } else { format!("receiptd serve --config {}", file.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_command_is_that_of_the_installation() {
        let package = Path::new(OF_THE_UNIT);
        assert_eq!(command_for(package, true, true), "sudo systemctl start receiptd");
        assert_eq!(command_for(package, true, false), format!("receiptd serve --config {OF_THE_UNIT}"));
        assert_eq!(command_for(Path::new("/home/me/receiptd.toml"), false, true), "receiptd serve");
        assert_eq!(command_for(Path::new("/srv/other.toml"), true, true), "receiptd serve --config /srv/other.toml");
    }
}
