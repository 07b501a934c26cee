//! The OpenAPI document: what machines are told of the REST interface, and what `/docs` is drawn from.
//!
//! What holds: the schemas of answers come from the types that are sent; operations stand in one table, which a test
//! compares with the table of routes; each refusal an operation can give is listed by code under its status. The same
//! code gives the same bytes.

mod operations;
mod schemas;

use doos_app::error_codes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

use operations::{Answer, Operation, Parameter, TAGS};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut text = serde_json::to_string_pretty(&document()).expect("a JSON value always serialises");
    text.push('\n');
    text
});

/// The document as it is served and checked in.
pub fn openapi_json() -> String {
    DOCUMENT.clone()
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations::all() {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = describe(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "DOOS",
            "version": env!("CARGO_PKG_VERSION"),
            "description": operations::INTRODUCTION,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": TAGS.iter().map(|(name, text)| json!({ "name": name, "description": text })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "`doos token --user 42`, `--service NAME` or `--operator NAME` makes one. Profile dev \
                        answers calls to localhost without one.",
                },
            },
        },
    })
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": responses(operation),
        "security": if operation.is_open() { json!([]) } else { json!([{ "bearer": [] }]) },
    });
    if !operation.description.is_empty() {
        described["description"] = operation.description.into();
    }
    let parameters: Vec<Value> = operation.parameters.iter().map(parameter).collect();
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(schema) = operation.body {
        described["requestBody"] = json!({
            "required": operation.body_required,
            "content": { "application/json": { "schema": reference(schema) } },
        });
    }
    described
}

fn parameter(parameter: &Parameter) -> Value {
    let mut described = json!({
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": { "type": parameter.kind },
    });
    if !parameter.example.is_empty() {
        described["example"] = parameter.example.into();
    }
    described
}

fn responses(operation: &Operation) -> Value {
    let mut responses: BTreeMap<String, Value> = BTreeMap::new();
    for answer in operation.answers {
        responses.insert(answer.status.to_string(), success(answer));
    }
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in operation.all_codes() {
        let (status, _) = error_codes::find(code).expect("a test looks every code up");
        by_status.entry(status).or_default().push(code);
    }
    for (status, mut codes) in by_status {
        codes.sort_unstable();
        codes.dedup();
        let titles: Vec<&str> = codes.iter().filter_map(|code| error_codes::find(code)).map(|found| found.1).collect();
        let refused = json!({
            "description": format!("{}.", titles.join("; ")),
            "x-codes": codes,
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        });
        responses.insert(status.to_string(), refused);
    }
    json!(responses)
}

fn success(answer: &Answer) -> Value {
    let mut described = json!({ "description": answer.description });
    if let Some(content) = answer.content {
        let schema = answer.schema.map_or_else(|| json!({ "type": "string" }), reference);
        let mut media = Map::new();
        media.insert(content.to_owned(), json!({ "schema": schema }));
        described["content"] = media.into();
    }
    if !answer.headers.is_empty() {
        let header = |(name, text): &(&str, &str)| {
            ((*name).to_owned(), json!({ "description": text, "schema": { "type": "string" } }))
        };
        described["headers"] = answer.headers.iter().map(header).collect::<Map<String, Value>>().into();
    }
    described
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_documented_and_every_documented_operation_is_routed() {
        let routed: BTreeSet<(String, String)> = crate::rest::table()
            .iter()
            .flat_map(|entry| entry.documented)
            .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        let documented: BTreeSet<(String, String)> =
            operations::all().map(|operation| (operation.method.to_owned(), operation.path.to_owned())).collect();
        assert_eq!(routed, documented);
        assert_eq!(operations::all().count(), documented.len(), "an operation is described twice");
    }

    #[test]
    fn the_document_is_one_and_every_reference_leads_somewhere() {
        let parsed: utoipa::openapi::OpenApi = serde_json::from_str(&openapi_json()).unwrap();
        assert_eq!(parsed.info.title, "DOOS");
        let document = document();
        let text = document.to_string();
        let mut count = 0;
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
            count += 1;
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn operations_have_names_of_their_own_and_listed_codes() {
        let mut ids = BTreeSet::new();
        for operation in operations::all() {
            assert!(ids.insert(operation.id), "{}", operation.id);
            assert!(TAGS.iter().any(|(tag, _)| *tag == operation.tag), "{}", operation.tag);
            for code in operation.all_codes() {
                assert!(error_codes::find(code).is_some(), "{}: {code}", operation.id);
            }
            for place in operation.path.split('{').skip(1) {
                let name = place.split('}').next().unwrap();
                let named = operation.parameters.iter().any(|it| it.name == name && it.place == "path");
                assert!(named, "{}: {name}", operation.id);
            }
        }
    }

    #[test]
    fn every_code_but_the_ones_of_no_operation_is_documented_somewhere() {
        let used: BTreeSet<&str> = operations::all().flat_map(Operation::all_codes).collect();
        // A wrong method is no operation, nor is what cannot be read as a request; groups exist in gRPC only.
        let elsewhere =
            ["method_not_allowed", "header_too_large", "malformed_request", "uri_too_long", "bulk_too_large"];
        for (code, ..) in error_codes::ALL {
            assert!(used.contains(code) != elsewhere.contains(code), "{code}");
        }
    }
}
