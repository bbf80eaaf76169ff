//! Lists as they come from spreadsheets and contact apps, sent with the real program.

use std::process::Output;

use serde_json::{Value, json};

use crate::binary::{House, said};
use crate::support::{Daemon, Options, spawn_with};

const N: &str = "+447700900123";
const M: &str = "+447700900124";
const O: &str = "+447700900125";

async fn british() -> Daemon {
    let daemon = spawn_with(Options::default().set("RECEIPTD_PROVIDER__DEFAULT_REGION", "GB")).await;
    daemon.api("POST", "/v1/pause", None).await;
    daemon
}

/// `receiptd send` with a list in a file, from a folder of its own.
async fn send(daemon: &Daemon, list: &[u8], words: &[&str]) -> Output {
    let house = House::new().set("RECEIPTD_PROVIDER__DEFAULT_REGION", "GB");
    std::fs::write(house.path("list"), list).expect("written");
    let mut command = house.command(&["send", "--from", "ME", "--message", "hi", "--yes", "--to-file", "list"]);
    command.args(words);
    run(daemon, house, command).await
}

async fn run(daemon: &Daemon, house: House, mut command: std::process::Command) -> Output {
    command.env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://"));
    command.env("RECEIPTD_API__TOKEN_FILE", daemon.folder.path().join("receiptd.token"));
    let output = actix_web::rt::task::spawn_blocking(move || command.output().expect("ran")).await.expect("no panic");
    drop(house);
    output
}

/// The numbers of the newest batch.
async fn sent(daemon: &Daemon) -> Vec<String> {
    let batches = daemon.get("/v1/batches?limit=1").await.json();
    let id = batches["items"][0]["id"].as_str().expect("a batch").to_owned();
    let items = daemon.get(&format!("/v1/batches/{id}/destinations")).await.json()["items"].clone();
    items.as_array().expect("a list").iter().map(|item| item["destination"].as_str().expect("a number").to_owned()).collect()
}

#[actix_web::test]
async fn every_row_of_a_csv_goes_out_whatever_dialect_it_is_written_in() {
    let daemon = british().await;
    let utf_16: Vec<u8> =
        "\u{feff}phone\tname\r\n447700900123\tZoé\r\n447700900124\tB\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (list, column, numbers) in [
        (&b"Name,Phone\n#1001,447700900123\n#1002,447700900124\n"[..], "phone", &[N, M][..]),
        (b"Name,Phone\n#1001,447700900123\nAnna,447700900124\n", "phone", &[N, M]),
        (b"#1,447700900123\n#2,447700900124\nA,447700900125\n", "2", &[N, M, O]),
        (b"sep=;\nphone;name\n447700900123;A\n447700900124;B", "phone", &[N, M]),
        (b"\xef\xbb\xbfsep=,\r\nphone,name\r\n447700900123,A\r\n", "1", &[N]),
        (b"# made on the 25th, by A, for B\nphone;name\n447700900123;A", "phone", &[N]),
        (b"\nphone;name\n447700900123;A", "phone", &[N]),
        (b"\"Name, first, last\";phone\n\"A, B, C\";447700900123", "phone", &[N]),
        (b"phone,name\n447700900123,A\n447700900124,B\n,\n,\n,\n", "phone", &[N, M]),
        ("TÉLÉPHONE,x\n447700900123,A".as_bytes(), "téléphone", &[N]),
        (b"T\xc9L\xc9PHONE;x\r447700900123;A\r447700900124;B\r", "téléphone", &[N, M]),
        (&utf_16, "phone", &[N, M]),
        (b"name|phone\n\"two\nlines\"|7700 900123\n\"a \"\"b\"\"\"|'+447700900124\n", "phone", &[N, M]),
        (b"phone\n=\"447700900123\"\n07700900124\n+44 07700 900125\n", "phone", &[N, M, O]),
    ] {
        let output = send(&daemon, list, &["--column", column]).await;
        let shown = String::from_utf8_lossy(list);
        assert_eq!(output.status.code(), Some(0), "{shown}: {}", said(&output));
        assert_eq!(sent(&daemon).await, numbers, "{shown}");
    }
}

#[actix_web::test]
async fn a_list_that_would_lose_rows_is_refused_with_the_line() {
    let daemon = british().await;
    for (list, column, told) in [
        (&b"name,phone\n\"Al,447700900123\nBea,447700900124\n\"Cy\",447700900125"[..], "phone", "line 2 opens a quotation mark"),
        (b"name,phone\n\"Al,447700900123\nBea,447700900124\nCy\",447700900125", "phone", "line 2: has a cell with line breaks"),
        (b"name,phone\nAl,447700900123\n\"Bea,447700900124\n", "phone", "line 3 opens a quotation mark that is never closed"),
        (b"Phone,Name,Phone\n447700900123,A,447700900124", "phone", "2 columns with the name"),
        (b"phone,Name,PHONE\n447700900123,A,447700900124", "phone", "--column 1 or --column 3"),
        (b"phone,name\n447700900123,A\n2026-11-25,B\n", "phone", "line 3: `2026-11-25` is a date"),
        (b"phone,name\n192.168.100.12,B\n", "phone", "line 2: `192.168.100.12` is an IP address"),
        (
            b"phone;name\n4,47701E+11;B\n",
            "phone",
            "line 2: `4,47701E+11` is how a spreadsheet shows a long number, and its last digits are lost",
        ),
        ("phone\n447700900123\u{2800}\n".as_bytes(), "phone", "(U+2800) at position 13"),
        (b"PK\x03\x04 and so on", "phone", "save the sheet as CSV"),
    ] {
        let output = send(&daemon, list, &["--column", column]).await;
        let shown = String::from_utf8_lossy(list);
        assert_eq!(output.status.code(), Some(2), "{shown}: {}", said(&output));
        assert!(said(&output).contains(told), "{shown}: {}", said(&output));
    }
    assert_eq!(daemon.get("/v1/batches").await.json()["items"], json!([]));
}

#[actix_web::test]
async fn the_preview_tells_countries_national_numbers_doubtful_ones_and_skipped_lines() {
    let daemon = british().await;
    let list = "# customers\n\u{202a}+447700900123\u{202c}\n7700 900124\n+1 202 555 0123\n+4477009001234\n\u{feff}+44 7700\u{ad}900125\n";
    let output = send(&daemon, list.as_bytes(), &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for told in
        ["GB 4, US 1", "1, such as 7700 900124 as +447700900124", "line 5: `+4477009001234` is too long for GB", "comment lines skipped"]
    {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let strict = send(&daemon, list.as_bytes(), &["--strict"]).await;
    assert_eq!(strict.status.code(), Some(2), "{}", said(&strict));
    assert!(said(&strict).contains("1 row has no valid phone number:\n  line 5: `+4477009001234` is too long for GB"), "{}", said(&strict));
    let skipped = send(&daemon, list.as_bytes(), &["--strict", "--skip-invalid"]).await;
    assert_eq!((skipped.status.code(), sent(&daemon).await.len()), (Some(0), 4), "{}", said(&skipped));

    let output = send(&daemon, list.as_bytes(), &["--json"]).await;
    let batch: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&batch["counts"]["total"], &batch["numbers"]["national"]), (&json!(5), &json!(1)));
    assert_eq!(batch["numbers"]["countries"], json!({"GB": 4, "US": 1}));
    assert_eq!(batch["numbers"]["doubtful"][0]["line"], 5);
    assert!(String::from_utf8_lossy(&output.stderr).contains("line 5"), "{}", said(&output));
}

#[actix_web::test]
async fn characters_that_cost_are_named_on_the_command_line() {
    let daemon = british().await;
    let message = format!("{}’", "a".repeat(100));
    let mut words = vec!["send", "--from", "ME", "--message", &*message, "--to", N, "--yes"];
    let house = House::new();
    let command = house.command(&words);
    let refused = run(&daemon, house, command).await;
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("`’` (U+2019) at position 101") && said(&refused).contains("--allow-multi"), "{}", said(&refused));
    words.push("--allow-multi");
    let house = House::new();
    let command = house.command(&words);
    let sent = run(&daemon, house, command).await;
    assert_eq!(sent.status.code(), Some(0), "{}", said(&sent));
    let shown = String::from_utf8_lossy(&sent.stdout).into_owned();
    assert!(shown.contains("2 × 1 = 2") && shown.contains("(U+2019)"), "{shown}");
}

#[actix_web::test]
async fn an_export_for_excel_has_a_byte_order_mark_and_its_line_ends() {
    let daemon = spawn_with(Options::default()).await;
    let id = daemon.submit(&[N, M]).await;
    daemon.until(&id, "submitted").await;
    let receipt = json!({"destination": N, "delivered": false, "receiptInfo": {"code": "f1", "description": "Numéro\n電話"}});
    assert_eq!(daemon.post(&id, receipt.to_string()).await.status, 200);
    let export = async |words: &[&str]| {
        let house = House::new();
        let mut command = house.command(&["export", &id]);
        command.args(words);
        run(&daemon, house, command).await
    };
    let plain = String::from_utf8(export(&[]).await.stdout).expect("text");
    assert!(plain.starts_with("batch,") && !plain.contains('\r'), "{plain}");
    let excel = String::from_utf8(export(&["--excel"]).await.stdout).expect("text");
    let in_cells = plain.replace("Numéro\n電話", "Numéro\u{1}電話");
    assert_eq!(excel, format!("\u{feff}{}", in_cells.replace('\n', "\r\n").replace('\u{1}', "\n")));
    let refused = export(&["--excel", "--format", "ndjson"]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
}
