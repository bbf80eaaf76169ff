//! docs/reference/metrics.md, from what a daemon shows.

use std::collections::BTreeMap;

use super::{agree, row, table};
use crate::support::spawn;

const INTRODUCTION: &str = "\
# Metrics
What `GET /metrics` shows. This page is generated from the program. No label holds a number, a batch or a secret. The answer is in the
OpenMetrics format if the `Accept` header asks for that, otherwise in the classic text format.
[operating.md](../operating.md#monitoring) says which of them the alert rules watch.

A histogram has `_bucket`, `_sum` and `_count`. Counters start at 0 with the daemon; gauges are read when somebody asks.

";

#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeMap<String, Vec<String>>,
}

#[actix_web::test]
async fn the_reference_of_the_metrics_is_what_a_daemon_shows() {
    let daemon = spawn().await;
    let mut shown = String::new();
    while !shown.contains("receiptd_public_url_reachable") {
        shown = daemon.get("/metrics").await.text; // the first probe is on its way
    }
    let mut families: Vec<(String, Family)> = Vec::new();
    for line in shown.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.push((name.to_owned(), Family { help: help.to_owned(), ..Family::default() }));
            continue;
        }
        let (name, family) = families.last_mut().expect("its help comes first");
        if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            family.kind = kind.to_owned();
        } else if let Some((_, labels)) = line.split_once('{') {
            let labels = labels.rsplit_once('}').expect("an end").0;
            for (label, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
                let (values, value) = (family.labels.entry(label.to_owned()).or_default(), value.trim_matches('"').to_owned());
                if label != "le" && !values.contains(&value) {
                    values.push(value);
                }
            }
            family.labels.remove("le");
        } else {
            assert!(line.starts_with(name.as_str()), "{line}");
        }
    }
    assert!(families.len() > 20, "{shown}");
    let mut text = INTRODUCTION.to_owned() + &table(&["metric", "type", "labels", "meaning"]);
    for (name, family) in &families {
        let values = |label: &str, values: &[String]| match label {
            "version" => "`version`".to_owned(),
            _ => format!("`{label}`: {}", values.join(", ")),
        };
        let labels: Vec<String> = family.labels.iter().map(|(label, of)| values(label, of)).collect();
        text += &row(&[&format!("`{name}`"), &family.kind, &labels.join("; "), &format!("{}.", family.help.trim_end_matches('.'))]);
    }
    agree("metrics.md", &text);
}
