//! The examples for proxies in `deploy/`, with the real nginx and Caddy: TLS, a path prefix, limits, masked logs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use actix_web::rt;

use crate::binary::{Binary, House, said};
use crate::support::receipt;

const HOST: &str = "receipts.example.com";
const NUMBER: &str = "+447700900001";

/// A proxy in front of a daemon, and the daemon's provider.
struct Front {
    house: House,
    daemon: Option<Binary>,
    batch: String,
    proxy: Child,
    address: SocketAddr,
    certificate: PathBuf,
}

/// Whether all of them can be run here.
fn there_are(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs
        .iter()
        .filter(|program| Command::new(program).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err())
        .collect();
    if !missing.is_empty() {
        assert!(std::env::var_os("CI").is_none(), ".ci/run installs {missing:?}");
        eprintln!("SKIPPED: {missing:?} cannot be run here; .ci/run says how to install them");
    }
    missing.is_empty()
}

/// Where nobody listens and nobody will: these programs cannot be asked which port they took, and one that was free a
/// moment ago belongs to another test by now. So each proxy gets a loopback address of its own.
fn address_of_its_own(proxy: u8) -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    TcpListener::bind((Ipv4Addr::new(127, proxy, high, low), 0)).and_then(|listener| listener.local_addr()).expect("a port")
}

impl Front {
    /// Starts all three. `proxy`: how it is started in this folder, at this address, before this daemon.
    async fn new(address: SocketAddr, proxy: impl Fn(&Path, SocketAddr, &str) -> Command) -> Self {
        let (port, upstream) = (address.port(), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let upstream_address = upstream.local_addr().expect("an address").to_string();
        let api = TcpListener::bind("127.0.0.1:0").expect("a port");
        let house = House::new()
            .set("RECEIPTD_PUBLIC_URL", &format!("https://{HOST}:{port}/receipts"))
            .set("RECEIPTD_CALLBACK__LISTEN", &upstream_address)
            .set("RECEIPTD_API__LISTEN", &api.local_addr().expect("an address").to_string());
        let daemon = house.start(house.socket_activated([&upstream, &api])).await;
        let batch = daemon.submit("hello", &[NUMBER, "+447700900002"]).await;
        daemon.until(&batch, "submitted").await;
        let folder = house.path("proxy");
        fs::create_dir(&folder).expect("a folder");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={HOST}"), "-addext", &format!("subjectAltName=DNS:{HOST}")])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(&folder)
            .output()
            .expect("ran");
        assert!(made.status.success(), "{}", said(&made));
        let log = fs::File::create(folder.join("errors.log")).expect("a file");
        let proxy = proxy(&folder, address, &upstream_address)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("started");
        let front = Self { house, daemon: Some(daemon), batch, proxy, address, certificate: folder.join("cert.pem") };
        for _ in 0..1_000 {
            if front.curl(&["-o", "/dev/null", &format!("https://{HOST}:{port}/")]).status.success() {
                return front;
            }
            rt::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("the proxy never answered: {}", front.logs())
    }

    fn curl(&self, words: &[&str]) -> Output {
        Command::new("curl")
            .args(["-sS", "--max-time", "20", "--noproxy", "*", "-w", "\n%{http_code}"])
            .arg("--cacert")
            .arg(&self.certificate)
            .args(["--resolve", &format!("{HOST}:{}:{}", self.address.port(), self.address.ip())])
            .args(words)
            .output()
            .expect("ran")
    }

    /// The status of what is posted to a callback, and the answer.
    fn post(&self, url: &str, body: &[u8]) -> (u16, String) {
        let (status, answer, said) = self.try_to_post(url, body);
        assert_ne!(status, 0, "{said}");
        (status, answer)
    }

    /// Posts what is too large: the answer. It comes before the body has been sent, and may be lost on the way when the
    /// connection ends with it; then it is asked for again. Never is it taken.
    fn refused(&self, url: &str, body: &[u8]) -> String {
        for _ in 0..20 {
            let (status, answer, said) = self.try_to_post(url, body);
            match status {
                413 => return answer,
                0 => {}
                other => unreachable!("{other} {answer} {said}"),
            }
        }
        unreachable!("it was never told: {}", self.logs())
    }

    /// Status 0: no answer was read, and what curl says of it.
    fn try_to_post(&self, url: &str, body: &[u8]) -> (u16, String, String) {
        let file = self.house.path("body");
        fs::write(&file, body).expect("written");
        let answered = self.curl(&["--data-binary", &format!("@{}", file.display()), url]);
        let text = String::from_utf8_lossy(&answered.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        (status.parse().expect("a status"), body.to_owned(), said(&answered))
    }

    /// All that the proxy has written, but not what it was given.
    fn logs(&self) -> String {
        let read = |name| fs::read_to_string(self.house.path("proxy").join(name)).unwrap_or_default();
        format!("{}\n{}", read("access.log"), read("errors.log"))
    }

    async fn until_logged(&self, words: &str) -> String {
        for _ in 0..1_000 {
            if self.logs().contains(words) {
                return self.logs();
            }
            rt::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("{words:?} was never logged: {}", self.logs())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.proxy.kill(); // ended already: then it is as wished
        let _ = self.proxy.wait();
    }
}

/// The example, with the names of a production machine replaced; each must be in it.
fn example(name: &str, replacements: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let mut text = fs::read_to_string(path).expect(name);
    for (from, to) in replacements {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// What both must do.
async fn a_callback_comes_through_and_its_token_stays_out_of_the_logs(mut front: Front) {
    let url = front.house.callback(0);
    assert!(url.starts_with(&format!("https://{HOST}:{}/receipts/callbacks/", front.address.port())), "the provider was given another URL");
    let token = url.rsplit('/').next().expect("a token");
    let post = receipt(NUMBER, true, "00").to_string().into_bytes();
    assert_eq!(front.post(&url, &post), (200, r#"{"recorded":1,"duplicates":0}"#.to_owned()));
    assert_eq!(front.post(&format!("{url}?again=1"), &post).0, 200);

    // Up to its own bound receiptd reads a body, above it receiptd refuses and counts it; beyond that either may.
    assert_eq!(front.post(&url, &vec![b' '; 256 << 10]).0, 202);
    let answer = front.refused(&url, &vec![b' '; 300 << 10]);
    assert!(answer.contains("\"status\":413"), "{answer}");
    front.refused(&url, &vec![b' '; 400 << 10]);

    // Nothing but callbacks leads inside.
    for path in ["/", "/receipts/", "/readyz", "/receipts/readyz", "/v1/batches"] {
        assert_eq!(front.post(&format!("https://{HOST}:{}{path}", front.address.port()), b"").0, 404, "{path}");
    }

    let logs = front.until_logged(&format!("/receipts/callbacks/{}/[token]", front.batch)).await;
    assert!(!logs.contains(token), "{logs}");

    // With the daemon away there is most to complain about.
    front.daemon.take().expect("still there").kill();
    let (status, _) = front.post(&url, &post);
    assert!(matches!(status, 502..=504), "{status}");
    let logs = front.until_logged(&status.to_string()).await;
    assert!(!logs.contains(token), "{logs}");
}

#[actix_web::test]
async fn nginx_passes_callbacks_on_through_tls_and_a_prefix_and_logs_no_token() {
    if !there_are(&["nginx", "openssl", "curl"]) {
        return;
    }
    let front = Front::new(address_of_its_own(2), |folder, address, upstream| {
        let at = |name: &str| folder.join(name).display().to_string();
        let site = example(
            "nginx.conf",
            &[
                ("listen 443 ssl;", format!("listen {address} ssl;")),
                ("listen [::]:443 ssl;", String::new()),
                ("/etc/letsencrypt/live/receipts.example.com/fullchain.pem", at("cert.pem")),
                ("/etc/letsencrypt/live/receipts.example.com/privkey.pem", at("key.pem")),
                ("/var/log/nginx/receiptd.log", at("access.log")),
                ("/var/log/nginx/receiptd.error.log", at("errors.log")),
                ("127.0.0.1:8080", upstream.to_owned()),
            ],
        );
        fs::write(folder.join("site.conf"), site).expect("written");
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};", at(&format!("temp-{kind}"))))
            .join(" ");
        let main = format!(
            "daemon off; master_process off; pid {}; error_log stderr; events {{}}\nhttp {{ {temporary} include {}; }}\n",
            at("pid"),
            at("site.conf")
        );
        fs::write(folder.join("nginx.conf"), main).expect("written");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(folder.join("nginx.conf"));
        command
    })
    .await;
    a_callback_comes_through_and_its_token_stays_out_of_the_logs(front).await;
}

#[actix_web::test]
async fn caddy_passes_callbacks_on_through_tls_and_a_prefix_and_logs_no_token() {
    if !there_are(&["caddy", "openssl", "curl"]) {
        return;
    }
    let front = Front::new(address_of_its_own(3), |folder, address, upstream| {
        let at = |name: &str| folder.join(name).display().to_string();
        let site = example(
            "Caddyfile",
            &[
                (
                    "{\n\t# Errors",
                    format!("{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {}\n\t# Errors", at("store")),
                ),
                (
                    "\n{$RECEIPTD_HOST:receipts.example.com} {",
                    format!("\nhttps://{HOST}:{} {{\n\tbind {}\n\ttls {} {}", address.port(), address.ip(), at("cert.pem"), at("key.pem")),
                ),
                ("/var/log/caddy/receiptd.log", at("access.log")),
                ("{$RECEIPTD_UPSTREAM:127.0.0.1:8080}", upstream.to_owned()),
            ],
        );
        fs::write(folder.join("Caddyfile"), site).expect("written");
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
        command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        command
    })
    .await;
    a_callback_comes_through_and_its_token_stays_out_of_the_logs(front).await;
}
