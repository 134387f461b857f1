//! The OpenAPI document: made from the code, committed, and true.

use std::path::PathBuf;

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use crate::house::House;

fn document() -> Value {
    serde_json::to_value(atelier_http::openapi()).expect("JSON")
}

/// `ATELIER_REGENERATE=1 cargo test --release -p atelier-http document` writes the file anew.
#[test]
fn the_committed_document_is_that_of_the_code() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = format!("{}\n", serde_json::to_string_pretty(&document()).expect("JSON"));
    if std::env::var_os("ATELIER_REGENERATE").is_some() {
        std::fs::write(&file, &now).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == now,
        "gateways/http/openapi.json is not what the code says; run this test with ATELIER_REGENERATE=1 and commit the file"
    );
}

#[test]
fn it_is_complete_by_the_contract() {
    let document = document();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    for (method, path) in [
        ("post", "/shop/v1/orders"),
        ("put", "/shop/v1/orders/{id}/model"),
        ("post", "/shop/v1/orders/{id}/model/ring"),
        ("post", "/shop/v1/orders/{id}/submit"),
        ("post", "/shop/v1/orders/{id}/cancel"),
        ("get", "/shop/v1/orders/{id}"),
        ("get", "/shop/v1/orders/{id}/timeline"),
        ("get", "/shop/v1/orders/{id}/preview.png"),
        ("get", "/shop/v1/orders/{id}/stream"),
        ("get", "/mes/v1/gaps"),
        ("get", "/mes/v1/queue"),
        ("get", "/mes/v1/queue/stream"),
        ("post", "/mes/v1/queue/claim"),
        ("post", "/mes/v1/orders/{id}/start"),
        ("post", "/mes/v1/orders/{id}/complete"),
        ("post", "/mes/v1/orders/{id}/rework"),
        ("post", "/mes/v1/orders/{id}/hold"),
        ("post", "/mes/v1/orders/{id}/resume"),
        ("post", "/mes/v1/orders/{id}/release"),
        ("post", "/mes/v1/orders/{id}/pack"),
        ("post", "/mes/v1/orders/{id}/ship"),
        ("get", "/crm/v1/orders"),
        ("get", "/crm/v1/attention"),
        ("post", "/crm/v1/orders/{id}/approve"),
        ("post", "/crm/v1/orders/{id}/reject"),
        ("post", "/crm/v1/orders/{id}/quote"),
        ("post", "/crm/v1/orders/{id}/reprice"),
        ("post", "/crm/v1/orders/{id}/hold"),
        ("post", "/crm/v1/orders/{id}/resume"),
        ("post", "/crm/v1/orders/{id}/cancel"),
        ("post", "/crm/v1/orders/{id}/close"),
        ("post", "/carrier/v1/deliveries"),
        ("get", "/events/v1/"),
        ("post", "/partner/v1/orders"),
        ("get", "/partner/v1/orders"),
        ("get", "/partner/v1/orders/{id}"),
        ("patch", "/partner/v1/orders/{id}"),
        ("post", "/partner/v1/orders/{id}/accept"),
        ("post", "/partner/v1/orders/{id}/cancel"),
        ("post", "/partner/v1/sandbox/orders/{id}/advance"),
        ("post", "/partner/v1/sandbox/orders/{id}/clock"),
        ("post", "/partner/v1/uploads"),
        ("get", "/partner/v1/feed"),
        ("post", "/partner/v1/reconcile"),
        ("get", "/partner/v1/keys"),
        ("post", "/partner/v1/keys"),
        ("delete", "/partner/v1/keys/{id}"),
        ("get", "/mes/v1/lanes/external"),
        ("put", "/mes/v1/lanes/external"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
    ] {
        assert!(document["paths"][path][method].is_object(), "no {method} {path}");
    }
}

/// What the document says where the common words would not be true.
#[test]
fn it_says_no_more_than_holds() {
    let document = document();
    let parameters = |path: &str| -> Vec<String> {
        let list = document["paths"][path]["post"]["parameters"].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(parameters("/partner/v1/orders"), ["traceparent", "dry_run"], "the reference is the key, and there is no version");
    let signed = ["webhook-id", "webhook-timestamp", "webhook-signature", "If-Match", "traceparent", "X-Correlation-Id", "dry_run"];
    assert_eq!(parameters("/carrier/v1/deliveries"), signed, "the message's id is the key");
    let later = &document["paths"]["/carrier/v1/deliveries"]["post"]["responses"]["202"]["content"]["application/json"]["schema"];
    let later = later["$ref"].as_str().and_then(|target| document.pointer(target.trim_start_matches('#'))).expect("a schema");
    assert_eq!(later["oneOf"].as_array().map(Vec::len), Some(2), "not decided yet, or kept: {later}");
    // Whoever takes a body waits for it so long and no longer.
    for (method, path, operation) in operations(&document) {
        let responses = &operation["responses"];
        assert!(operation["requestBody"].is_null() || responses["408"].is_object(), "{method} {path} does not say when a body is slow");
    }
}

/// Every operation of the document, by method and path.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("an item") {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

#[tokio::test]
async fn everything_in_it_is_served_and_its_references_lead_somewhere() {
    let house = House::new().await;
    let document = document();
    let served: Value = house.get("/openapi.json").await.expect(200).json();
    assert_eq!(served, document);
    let operations = operations(&document);
    assert!(operations.len() >= 35, "{}", operations.len());
    let mut ids = Vec::new();
    for (method, path, operation) in &operations {
        ids.push(operation["operationId"].as_str().expect("an id").to_owned());
        let request =
            Request::builder().method(method.as_str()).uri(path.replace("{id}", "nonsense")).body(Body::empty()).expect("a request");
        let answer = house.call(request).await;
        assert!(!answer.text().contains("unknown_route") && answer.status != 405, "{method} {path}: {}", answer.text());
        assert!(
            operation["responses"].as_object().is_some_and(|responses| responses.keys().any(|status| status.starts_with('2'))),
            "{path}"
        );
    }
    ids.sort();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
    let mut broken = Vec::new();
    dangling(&document, &document, &mut broken);
    assert!(broken.is_empty(), "{broken:?}");
}

/// References that lead nowhere.
fn dangling(value: &Value, document: &Value, broken: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(target) if name == "$ref" && document.pointer(target.trim_start_matches('#')).is_none() => {
                        broken.push(target.to_owned())
                    }
                    _ => dangling(value, document, broken),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| dangling(item, document, broken)),
        _ => {}
    }
}

/// What is served is in the document: routes are added through the document's router only, but for
/// the one alias named here.
#[test]
fn no_route_is_served_behind_its_back() {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a source file");
            found.extend(text.lines().filter(|line| line.contains(".route(") || line.contains(".nest")).map(|line| line.trim().to_owned()));
        }
    }
    assert_eq!(found, [".route(\"/events/v1\", axum::routing::get(stream::events))"]);
}
