//! The document says what is served, and what is served is in the document.

use std::collections::BTreeSet;
use std::path::Path;

use receiptd::openapi::document;
use serde_json::Value;

use crate::binary::House;
use crate::schemas::violations;
use crate::support::{request, spawn};

fn operations() -> Vec<(String, String, Value)> {
    let document = document();
    let paths = document["paths"].as_object().expect("paths").clone();
    paths
        .into_iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").clone();
            methods.into_iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}

/// The routes as the router's own table has them.
#[test]
fn every_route_is_in_the_document_and_no_other() {
    let table = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/routes.rs")).expect("there");
    let (api, rest) = table.split_once("let api").and_then(|(_, rest)| rest.split_once("default_service")).expect("two tables");
    let mut served = BTreeSet::from([("POST".to_owned(), "/callbacks/{batch}/{token}".to_owned())]);
    for (prefix, text) in [("/v1", api), ("", rest)] {
        for entry in text.split("(at(\"").skip(1) {
            let mut quoted = entry.split('"');
            let (path, methods) = (quoted.next().expect("a path"), quoted.nth(1).expect("its methods"));
            served.extend(methods.split(", ").map(|method| (method.to_owned(), format!("{prefix}{path}"))));
        }
    }
    let documented: BTreeSet<(String, String)> = operations().into_iter().map(|(method, path, _)| (method, path)).collect();
    assert!(served.len() > 25, "{served:?}");
    assert_eq!(documented, served);
}

/// Each is called as its examples say, and answers with a status and a media type of which the document knows.
#[actix_web::test]
async fn every_operation_answers_as_documented() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, "+447700900001", false, "22").await;
    let token = format!("Bearer {}", daemon.token);
    let stranger = "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d80";
    for (method, path, operation) in operations() {
        let callback = path.starts_with("/callbacks");
        let places = if callback { vec![daemon.callback(&id)] } else { vec![id.clone(), stranger.to_owned(), "1".to_owned()] };
        for place in places {
            let url = if callback {
                place
            } else {
                format!("{}{}", daemon.private, path.replace("{id}", &place).replace("{number}", "+447700900001"))
            };
            let body = operation["requestBody"]["content"]["application/json"]["example"].clone();
            let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            for token in [&token, "Bearer wrong"] {
                let answer = request(&method, &url, &[("authorization", token)], body.clone()).await;
                let documented = &operation["responses"][answer.status.to_string()];
                assert!(documented.is_object(), "{method} {path}: {} is not documented: {answer:?}", answer.status);
                let media = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
                let known = documented["content"].as_object().map(|content| content.keys().cloned().collect::<Vec<_>>());
                assert!(known.is_none_or(|known| known.contains(&media)), "{method} {path}: {media} is not documented");
                if media.ends_with("json") && path != "/openapi.json" {
                    let wrong = violations(&document(), &documented["content"][&media]["schema"], &answer.json());
                    assert!(wrong.is_empty(), "{method} {path} {}: {wrong:#?}", answer.status);
                }
            }
        }
        if !callback {
            let url = format!("{}{}", daemon.private, path.replace("{id}", &id).replace("{number}", "1234567"));
            let answer = request("PATCH", &url, &[("authorization", &token)], Vec::new()).await;
            assert_eq!(answer.status, 405, "{path}");
        }
    }
}

#[test]
fn every_operation_has_an_example_of_what_is_sent_and_of_every_answer() {
    for (method, path, operation) in operations() {
        let answers = operation["responses"].as_object().expect("answers").values();
        let bodies = answers.chain([&operation["requestBody"]]).filter_map(|of| of["content"].as_object());
        for (media, content) in bodies.flatten() {
            let example = &content["example"];
            assert!(!example.is_null() && *example != serde_json::json!(""), "{method} {path}: no example of {media}: {content}");
            let wrong = violations(&document(), &content["schema"], example);
            assert!(wrong.is_empty(), "{method} {path}: the example: {wrong:#?}");
        }
    }
}

/// `verb_noun`: generated clients call their functions so, and a changed one breaks their users.
#[test]
fn every_operation_has_a_name_of_its_own() {
    let names: Vec<String> =
        operations().iter().map(|(.., operation)| operation["operationId"].as_str().expect("a name").to_owned()).collect();
    for name in &names {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !name.contains("v1"), "{name}");
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
    }
    for expected in ["create_batch", "list_batches", "get_batch", "cancel_batch", "list_receipts", "get_metrics"] {
        assert!(names.iter().any(|name| name == expected), "{expected}");
    }
}

/// An object that stands in one place only would be a copy in generated code, under a made-up name.
#[test]
fn objects_are_named_schemas_and_what_may_be_null_in_an_answer_is_always_there() {
    let document = document();
    for (method, path, operation) in operations() {
        let answers = operation["responses"].as_object().expect("answers").values();
        for content in answers.chain([&operation["requestBody"]]).filter_map(|of| of["content"].as_object()).flatten() {
            assert!(content.1["schema"]["properties"].is_null(), "{method} {path}: {content:?}");
        }
    }
    let sent = ["BatchRequest", "PruneRequest", "ResolveRequest", "ResendRequest", "RotateRequest"];
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            for inner in [property, &property["items"]] {
                assert!(inner["properties"].is_null(), "{name}.{field} is a copy: {inner}");
            }
            let required = schema["required"].as_array().is_some_and(|required| required.contains(&Value::from(field.as_str())));
            let nullable = property.to_string().contains("\"null\"");
            assert!(!nullable || required || sent.contains(&name.as_str()), "{name}.{field} may be null, and missing too");
            assert!(
                !field.ends_with("_at") || property.to_string().contains("Timestamp") || property["format"] == "date-time",
                "{name}.{field}"
            );
        }
    }
    for word in ["contract", "provider.md", "§"] {
        assert!(!document.to_string().contains(word), "readers do not have {word}");
    }
}

#[actix_web::test]
async fn an_empty_query_parameter_is_refused_by_its_name() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001"]).await;
    let mut asked = 0;
    for (method, path, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().expect("a name");
            let answer = daemon.api(&method, &path.replace("{id}", &id).replace("{number}", "+447700900001"), None).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            let url = format!("{}?{name}=", path.replace("{id}", &id).replace("{number}", "+447700900001"));
            let answer = daemon.api(&method, &url, None).await;
            assert_eq!((answer.status, answer.pointers()), (400, vec![name.to_owned()]), "{url}: {answer:?}");
            asked += 1;
        }
    }
    assert!(asked > 15, "{asked}");
}

#[actix_web::test]
async fn the_daemon_and_the_command_line_show_the_same_document_and_all_its_references_lead_somewhere() {
    let daemon = spawn().await;
    let served = daemon.get("/openapi.json").await;
    assert_eq!((served.status, served.json()), (200, document()));
    let printed = House::new().command(&["openapi"]).output().expect("run");
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).expect("JSON"), document());
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(document["components"]["schemas"][name].is_object(), "{name} leads nowhere");
    }
}

#[actix_web::test]
async fn head_is_answered_as_get_without_a_body_and_without_a_stream_that_nobody_reads() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001"]).await;
    let (token, stream) = (format!("Bearer {}", daemon.token), ("accept", "text/event-stream"));
    for (path, status) in [
        ("/readyz".to_owned(), 200),
        ("/v1/batches".to_owned(), 200),
        (format!("/v1/batches/{id}"), 200),
        (format!("/v1/batches/{id}/export"), 200),
        ("/v1/receipts".to_owned(), 200),
        ("/v1/batches/c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d80".to_owned(), 404),
        ("/v1/pause".to_owned(), 405),
    ] {
        let url = format!("{}{path}", daemon.private);
        let answer = request("HEAD", &url, &[("authorization", &token), stream], Vec::new()).await;
        assert_eq!((answer.status, &*answer.text), (status, ""), "{path}");
        let same = path == "/v1/receipts" || answer.header("content-type") == daemon.get(&path).await.header("content-type");
        assert!(same, "{path}: {answer:?}");
    }
    assert_eq!(request("HEAD", &format!("{}/v1/batches", daemon.private), &[], Vec::new()).await.status, 401);
}
