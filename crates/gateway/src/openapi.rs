//! The OpenAPI document.
pub fn openapi_json() -> &'static str {
    "{}"
}
