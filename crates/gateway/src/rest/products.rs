//! The catalogue: list, search, one product; for operators: new products and changes.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::header::{ETAG, LOCATION, VARY};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use doos_app::actions::Asked;
use doos_app::catalog::{Draft, Search, Stored};
use doos_domain::catalog::LocalText;
use doos_domain::ids::ProductId;
use doos_domain::money::{Currency, Money};
use std::sync::Arc;

use crate::json::{self, Faults, Value};
use crate::payload::{Parameters, Payload, Segment};
use crate::problem::{Problem, Result};
use crate::state::{Caller, State, Traceparent};
use crate::view::product::{ProductListView, ProductView};
use crate::{negotiate, paging, rest, view};

const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;
const LANGUAGES_MAX: usize = 16;
const LANGUAGE_CHARS_MAX: usize = 8;
const SHORT_CHARS_MAX: usize = 200;

pub async fn list(
    FromState(state): FromState<Arc<State>>,
    Caller(_): Caller,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    let text = parameters.get("q")?.unwrap_or_default();
    let category = parameters.get("category")?;
    let size = paging::size(parameters.get("page_size")?, &state.options)?;
    let filter = paging::fingerprint(&["products", text, category.unwrap_or_default()]);
    let after = paging::after::<ProductId>(parameters.get("page_token")?.unwrap_or_default(), filter)?;
    // One more than shown tells whether there is a next page.
    let mut found = state.app.products(&Search { text, category, after, limit: size + 1 });
    let has_more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| has_more);
    let next_page_token = last.map_or_else(String::new, |last| paging::token(&last.id.to_string(), filter));
    let ids: Vec<ProductId> = found.iter().map(|product| product.id).collect();
    let levels = state.app.stock_levels(&ids).await?;
    let language = negotiate::language(parameters.get("lang")?, &headers);
    let shown = found.iter().zip(&levels);
    let products = shown.map(|(product, level)| ProductView::of(product, language, Some(level))).collect();
    Ok(in_language(rest::json(StatusCode::OK, view::to_json(&ProductListView { products, next_page_token }))))
}

pub async fn read(
    FromState(state): FromState<Arc<State>>,
    Caller(_): Caller,
    Segment(id): Segment,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response<Body>> {
    let id = product_id(&id)?;
    let product = state.app.catalog.find(id).ok_or_else(|| Problem::from(doos_app::Error::UnknownProduct(id)))?;
    let level = state.app.stock_level(id).await?;
    let language = negotiate::language(parameters.get("lang")?, &headers);
    let body = view::to_json(&ProductView::of(&product, language, Some(&level)));
    Ok(in_language(rest::json(StatusCode::OK, body)))
}

pub async fn create(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Traceparent(trace): Traceparent,
    payload: Payload,
) -> Result<Response<Body>> {
    principal.check_operator()?;
    let draft = draft(&payload.body, true)?;
    let key = payload.key(principal.scope())?;
    let (app, asked) = (Arc::clone(&state.app), Asked { by: principal, trace: Some(trace) });
    let create = async move { app.create_product(&asked, draft, key, view::product::render).await };
    Ok(answer(StatusCode::CREATED, state.finish(create).await?))
}

pub async fn update(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    Traceparent(trace): Traceparent,
    Segment(id): Segment,
    payload: Payload,
) -> Result<Response<Body>> {
    principal.check_operator()?;
    let id = product_id(&id)?;
    let draft = draft(&payload.body, false)?;
    let key = payload.key(principal.scope())?;
    let (app, asked) = (Arc::clone(&state.app), Asked { by: principal, trace: Some(trace) });
    let update = async move { app.update_product(&asked, id, draft, key, view::product::render).await };
    Ok(answer(StatusCode::OK, state.finish(update).await?))
}

/// An id that cannot be one is that of a product that does not exist.
pub fn product_id(text: &str) -> Result<ProductId> {
    text.parse().map_err(|_| Problem::not_found("product"))
}

fn answer(status: StatusCode, stored: Stored) -> Response<Body> {
    let product = match stored {
        Stored::Before(answer) => return rest::replayed(answer),
        Stored::Now(product) => product,
    };
    let mut response = rest::json(status, view::product::render(&product));
    let headers = response.headers_mut();
    if status == StatusCode::CREATED {
        let location = HeaderValue::try_from(format!("/v1/products/{}", product.id));
        headers.insert(LOCATION, location.expect("a product id is digits"));
    }
    let etag = HeaderValue::try_from(format!("\"{}\"", product.version));
    headers.insert(ETAG, etag.expect("digits in quotes are visible ASCII"));
    response
}

fn in_language(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Language"));
    response
}

fn draft(body: &[u8], is_new: bool) -> Result<Draft> {
    let mut faults = Faults::default();
    let mut object = json::parse(body, &mut faults)?;
    let mut field = |name: &'static str, faults: &mut Faults| {
        let needed = is_new && matches!(name, "name" | "price");
        if needed { object.require(name, faults) } else { object.take(name) }
    };
    let draft = Draft {
        name: field("name", &mut faults).and_then(|value| text(&value, &mut faults)),
        description: field("description", &mut faults).and_then(|value| text(&value, &mut faults)),
        price: field("price", &mut faults).and_then(|value| price(&value, &mut faults)),
        category: field("category", &mut faults).and_then(|value| short(&value, &mut faults)),
        picture: field("picture", &mut faults).and_then(|value| short(&value, &mut faults)),
        on_sale: field("on_sale", &mut faults).and_then(|value| value.boolean(&mut faults)),
    };
    object.finish(&mut faults);
    faults.check()?;
    Ok(draft)
}

/// One text for all, or an object with one for each language.
fn text(value: &Value<'_>, faults: &mut Faults) -> Option<LocalText> {
    if value.is_string() {
        return value.string(faults).map(LocalText::plain);
    }
    let texts = value.object(faults)?.into_fields();
    if texts.is_empty() || texts.len() > LANGUAGES_MAX {
        faults.add(&value.pointer, format!("expected a text in 1 to {LANGUAGES_MAX} languages"));
        return None;
    }
    let mut read = LocalText::default();
    for (language, words) in texts {
        if language.len() > LANGUAGE_CHARS_MAX || !language.starts_with(|c: char| c.is_ascii_lowercase()) {
            faults.add(&words.pointer, "expected a language such as en or zh");
            return None;
        }
        read = read.with(&language, words.string(faults)?);
    }
    Some(read)
}

fn short(value: &Value<'_>, faults: &mut Faults) -> Option<String> {
    let text = value.string(faults)?;
    if text.chars().count() > SHORT_CHARS_MAX {
        faults.add(&value.pointer, format!("has at most {SHORT_CHARS_MAX} characters"));
        return None;
    }
    Some(text)
}

fn price(value: &Value<'_>, faults: &mut Faults) -> Option<Money> {
    let mut object = value.object(faults)?;
    let amount = object.require("amount_minor", faults).and_then(|value| value.whole(0, PRICE_MINOR_MAX, faults));
    let currency = object.require("currency", faults).and_then(|value| {
        let code = value.string(faults)?;
        let known = Currency::from_code(&code);
        if known.is_none() {
            let codes: Vec<&str> = Currency::ALL.iter().map(|currency| currency.code()).collect();
            faults.add(&value.pointer, format!("a currency is one of {}", codes.join(", ")));
        }
        known
    });
    object.finish(faults);
    Some(Money::new(amount?, currency?))
}
