//! What Prometheus sees.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Daemon, KEY, request, spawn};

/// Contract §7.
const NAMES: [&str; 18] = [
    "receiptd_receipts_total",
    "receiptd_callbacks_total",
    "receiptd_failed_connections_total",
    "receiptd_acknowledge_duration_seconds",
    "receiptd_commit_duration_seconds",
    "receiptd_commit_rows",
    "receiptd_queue_depth",
    "receiptd_batches",
    "receiptd_destinations",
    "receiptd_provider_requests_total",
    "receiptd_provider_request_duration_seconds",
    "receiptd_oldest_unsettled_seconds",
    "receiptd_silent_batches",
    "receiptd_quarantined",
    "receiptd_public_url_reachable",
    "receiptd_database_bytes",
    "receiptd_disk_free_bytes",
    "receiptd_build_info",
];

async fn shown(daemon: &Daemon) -> String {
    let answer = daemon.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text
}

fn value(shown: &str, metric: &str) -> f64 {
    let line = shown.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| unreachable!("no {metric} in {shown}"))
}

#[actix_web::test]
async fn a_small_story_is_counted_and_nothing_secret_is_shown() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001", "+447700900002", "+447700900003"]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, "+447700900001", true, "00").await;
    daemon.receipt(&id, "+447700900001", true, "00").await;
    daemon.receipt(&id, "+447700900001", false, "22").await;
    daemon.receipt(&id, "+447700900002", false, "22").await;
    daemon.receipt(&id, "+447700999999", true, "00").await;
    daemon.post(&id, "what?").await;
    request("POST", &format!("{}/elsewhere", daemon.public), &[], Vec::new()).await;
    request("GET", &daemon.callback(&id), &[], Vec::new()).await;
    daemon.post(&id, vec![b' '; 300 << 10]).await;
    let mut shown = shown(&daemon).await;
    while !shown.contains("receiptd_public_url_reachable 1") {
        shown = self::shown(&daemon).await; // the first probe is on its way
    }
    for (metric, expected) in [
        ("receiptd_receipts_total{source=\"webhook\",outcome=\"applied\"}", 2.0),
        ("receiptd_receipts_total{source=\"webhook\",outcome=\"conflict\"}", 1.0),
        ("receiptd_receipts_total{source=\"webhook\",outcome=\"unexpected_destination\"}", 1.0),
        ("receiptd_callbacks_total{status=\"202\"}", 1.0),
        ("receiptd_callbacks_total{status=\"404\"}", 1.0),
        ("receiptd_callbacks_total{status=\"405\"}", 1.0),
        ("receiptd_callbacks_total{status=\"413\"}", 1.0),
        ("receiptd_batches{state=\"submitted\"}", 1.0),
        ("receiptd_batches{state=\"complete\"}", 0.0),
        ("receiptd_destinations{state=\"delivered\"}", 1.0),
        ("receiptd_destinations{state=\"failed\"}", 1.0),
        ("receiptd_destinations{state=\"submitted\"}", 1.0),
        ("receiptd_provider_requests_total{call=\"submit\",outcome=\"ok\"}", 1.0),
        ("receiptd_quarantined", 1.0),
        ("receiptd_silent_batches", 0.0),
        ("receiptd_queue_depth{queue=\"outbox\"}", 0.0),
    ] {
        assert_eq!(value(&shown, metric), expected, "{metric}");
    }
    assert!(value(&shown, "receiptd_acknowledge_duration_seconds_count") >= 6.0);
    assert!(value(&shown, "receiptd_commit_rows_sum") >= 7.0);
    assert!(value(&shown, "receiptd_database_bytes{file=\"database\"}") > 4_096.0);
    assert!(value(&shown, "receiptd_disk_free_bytes") > 0.0);
    for name in NAMES {
        assert!(shown.lines().any(|line| line.starts_with(name)), "{name} is missing: {shown}");
    }
    for secret in [KEY, &daemon.token, &id, "7700900", "hello"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert_eq!(request("GET", &format!("{}/metrics", daemon.private), &[], Vec::new()).await.status, 401);
}

#[actix_web::test]
async fn metrics_come_in_the_format_that_is_asked_for_and_tell_of_the_process() {
    let daemon = spawn().await;
    let token = format!("Bearer {}", daemon.token);
    let url = format!("{}/metrics", daemon.private);
    let classic = request("GET", &url, &[("authorization", &token)], Vec::new()).await;
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let open = request("GET", &url, &[("authorization", &token), ("accept", accept)], Vec::new()).await;
    assert_eq!(classic.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.text.ends_with("# EOF\n") && open.text.contains("# TYPE receiptd_callbacks counter\n"), "{}", open.text);
    assert!(!classic.text.contains("# EOF") && classic.text.contains("# TYPE receiptd_callbacks_total counter\n"), "{}", classic.text);
    assert!(classic.text.contains("# TYPE receiptd_build_info gauge\n"), "{}", classic.text);
    let names = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.split(' ').next()?.to_owned()))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&classic.text), names(&open.text));
    for (name, least) in [
        ("process_cpu_seconds_total", 0.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_start_time_seconds", 1.7e9),
        ("process_open_fds", 5.0),
        ("process_max_fds", 5.0),
    ] {
        assert!(value(&classic.text, name) >= least, "{name}: {}", classic.text);
    }
}

/// The files that people copy name nothing that is not there.
#[actix_web::test]
async fn alert_rules_and_dashboard_use_metrics_that_exist() {
    let daemon = spawn().await;
    let exposed = shown(&daemon).await;
    let exposed: BTreeSet<&str> = exposed.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).chain(NAMES).collect();
    for file in ["deploy/alerts.yml", "deploy/grafana.json"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("there");
        let used: BTreeSet<&str> =
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("receiptd_")).collect();
        assert!(used.len() >= 5, "{file}: {used:?}");
        for name in used {
            let bare = ["_bucket", "_sum", "_count"].iter().fold(name, |name, tail| name.strip_suffix(tail).unwrap_or(name));
            assert!(exposed.contains(bare), "{file} uses {name}");
        }
    }
}
