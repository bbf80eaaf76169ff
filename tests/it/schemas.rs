//! Does a value agree with a schema of the OpenAPI document? As strict as a generated client, and stricter where a field is
//! answered that the document does not name.

use serde_json::Value;

/// Where and why it does not.
pub fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().expect("a name");
        return check(document, &document["components"]["schemas"][name], value, at, found);
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        if !choices.iter().any(|choice| violations(document, choice, value).is_empty()) {
            found.push(format!("{at}: {value} is none of {schema}"));
        }
        return;
    }
    let types: Vec<&str> = schema["type"]
        .as_array()
        .map_or_else(|| schema["type"].as_str().into_iter().collect(), |all| all.iter().filter_map(Value::as_str).collect());
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.is_empty() && !types.contains(&is) {
        found.push(format!("{at}: {value} is not {types:?}"));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    if let Some(text) = value.as_str() {
        let right = match schema["format"].as_str() {
            Some("date-time") => text.parse::<receiptd::domain::Timestamp>().is_ok(),
            Some("uuid") => text.parse::<receiptd::domain::BatchId>().is_ok(),
            _ => true,
        };
        if !right {
            found.push(format!("{at}: {text:?} is no {}", schema["format"]));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{at}/{index}"), found);
    }
    if value.is_object() {
        check_object(document, schema, value, at, found);
    }
}

fn check_object(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let parts = parts(document, schema);
    let required = parts.iter().filter_map(|part| part["required"].as_array()).flatten().filter_map(Value::as_str);
    found.extend(required.filter(|name| value.get(name).is_none()).map(|name| format!("{at}: no {name}")));
    for (name, field) in value.as_object().into_iter().flatten() {
        let known = parts.iter().find_map(|part| part["properties"].get(name));
        match known.or_else(|| parts.iter().find_map(|part| part.get("additionalProperties").filter(|more| more.is_object()))) {
            Some(schema) => check(document, schema, field, &format!("{at}/{name}"), found),
            None if parts.iter().all(|part| part["properties"].is_null()) => {} // any object
            None => found.push(format!("{at}: {name} is not in the schema")),
        }
    }
}

/// The schemas of an object that is put together of several.
fn parts<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    };
    match schema["allOf"].as_array() {
        Some(all) => all.iter().flat_map(|part| parts(document, part)).collect(),
        None => vec![schema],
    }
}
