//! Pages for people: the web UI, the reference, the pictures, the pages of the error codes.
//!
//! What holds: every page goes out under a policy that lets it load only what is served here, and with a tag, so that
//! a browser asks again and downloads only what changed. `/orders` and `/orders/{id}` are a page for browsers and JSON
//! for programs, and say so in `Vary`.

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State as FromState};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, VARY,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use std::sync::Arc;

use super::orders;
use crate::assets::{self, Asset};
use crate::payload::{Parameters, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State};
use crate::{error_pages, negotiate, openapi, rest};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file of the table, at its own path.
pub async fn file(uri: Uri, headers: HeaderMap) -> Result<Response<Body>> {
    let asset = assets::find(uri.path()).ok_or_else(|| Problem::not_found("page"))?;
    Ok(serve(asset, &headers))
}

/// The web UI, which looks at the path by itself.
pub async fn page(headers: HeaderMap) -> Result<Response<Body>> {
    let page = assets::find("/").ok_or_else(|| Problem::not_found("page"))?;
    Ok(serve(page, &headers))
}

pub async fn openapi() -> Response<Body> {
    rest::json(StatusCode::OK, openapi::openapi_json())
}

/// A code's page, as the Markdown it is written in.
pub async fn error_page(Segment(code): Segment) -> Result<Response<Body>> {
    let text = error_pages::find(&code).ok_or_else(|| Problem::not_found("error code"))?;
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

pub async fn orders(FromState(state): FromState<Arc<State>>, request: Request) -> Response<Body> {
    let listed = async |request: Request| {
        let (mut parts, _) = request.into_parts();
        let Caller(principal) = Caller::from_request_parts(&mut parts, &state).await?;
        let parameters = Parameters::from_request_parts(&mut parts, &state).await?;
        orders::list_for(&state, &principal, &parameters).await
    };
    let page = page_for(request.headers());
    vary(match page {
        Some(page) => Ok(page),
        None => listed(request).await,
    })
}

pub async fn order(FromState(state): FromState<Arc<State>>, Segment(id): Segment, request: Request) -> Response<Body> {
    let read = async |request: Request| {
        let (mut parts, _) = request.into_parts();
        let Caller(principal) = Caller::from_request_parts(&mut parts, &state).await?;
        orders::read_for(&state, &principal, &id, &parts.headers).await
    };
    let page = page_for(request.headers());
    vary(match page {
        Some(page) => Ok(page),
        None => read(request).await,
    })
}

/// The page, if that is what the client wants; it reads everything else through the interface.
fn page_for(headers: &HeaderMap) -> Option<Response<Body>> {
    let page = assets::find("/").filter(|_| negotiate::wants_page(headers))?;
    Some(serve(page, headers))
}

fn vary(answer: Result<Response<Body>>) -> Response<Body> {
    let mut response = answer.unwrap_or_else(|problem| problem.into_response());
    let packs = response.headers().contains_key(VARY);
    let by = if packs { "Accept, Accept-Encoding" } else { "Accept" };
    response.headers_mut().insert(VARY, HeaderValue::from_static(by));
    response
}

fn serve(asset: &'static Asset, sent: &HeaderMap) -> Response<Body> {
    let (body, encoding) = match (asset.br, asset.gz) {
        (Some(br), _) if negotiate::takes_encoding(sent, "br") => (br, Some("br")),
        (_, Some(gz)) if negotiate::takes_encoding(sent, "gzip") => (gz, Some("gzip")),
        _ => (asset.body, None),
    };
    // A strong tag names one sequence of bytes, so each encoding has its own.
    let etag =
        encoding.map_or_else(|| asset.etag.clone(), |encoding| asset.etag.replacen('"', &format!("\"{encoding}-"), 1));
    let etag = HeaderValue::try_from(etag).expect("base64 in quotes is visible ASCII");
    let mut response = Response::new(Body::empty());
    if negotiate::has_already(sent, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Body::from(Bytes::from_static(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        if let Some(encoding) = encoding {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, etag);
    let kept = if asset.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    if asset.br.is_some() || asset.gz.is_some() {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}
