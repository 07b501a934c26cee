//! Every stable code a caller can be told, with its HTTP status and a title. Each has a page in `docs/errors/`.
//!
//! What must never happen: a code renamed or reused with another meaning. Clients branch on them.

/// Code, HTTP status, title.
pub const ALL: &[(&str, u16, &str)] = &[
    ("already_paid", 409, "The order is paid already"),
    ("body_too_large", 413, "The request body is too large"),
    ("broken_store", 500, "The store holds something that cannot be right"),
    ("bulk_too_large", 422, "Too many items in one call"),
    ("callback_rejected", 400, "The payment callback does not match what was agreed"),
    ("coupon_unknown", 422, "The coupon does not exist"),
    ("forbidden", 403, "This principal may not do that"),
    ("header_too_large", 431, "The header of the request is too large"),
    ("idempotency_key_invalid", 400, "The idempotency key is not usable"),
    ("idempotency_key_reused", 422, "The idempotency key was used for another request"),
    ("illegal_move", 409, "The order cannot move that way"),
    ("in_progress", 409, "The same call is in progress"),
    ("internal", 500, "Something went wrong inside"),
    ("invalid_json", 400, "The body is not valid JSON"),
    ("invalid_page", 422, "The page token or size is not usable"),
    ("invalid_request", 422, "The request does not say what it should"),
    ("malformed_request", 400, "This is not a request that can be read"),
    ("method_not_allowed", 405, "This path does not know that method"),
    ("name_unknown", 404, "No user has that name"),
    ("not_enough_free", 409, "Less stock is free than should be written off"),
    ("not_found", 404, "There is no such thing here"),
    ("not_ready", 503, "The node is not ready"),
    ("out_of_stock", 409, "Not enough stock"),
    ("outcome_unknown", 503, "It is not known yet whether this was done"),
    ("overloaded", 503, "Too much is waiting already"),
    ("payment_closing", 409, "The last attempt to pay is being closed"),
    ("position_unknown", 422, "The stream has no such position"),
    ("price_changed", 409, "A price has changed"),
    ("product_conflict", 409, "The product was changed meanwhile"),
    ("product_unknown", 404, "A product does not exist or is not on sale"),
    ("rate_limited", 429, "Too many requests"),
    ("request_timeout", 408, "The request took too long to arrive"),
    ("signature_invalid", 401, "The signature is not valid"),
    ("stream_limit", 503, "Too many live streams are open"),
    ("token_invalid", 401, "The bearer token is not valid"),
    ("token_missing", 401, "A bearer token is needed"),
    ("unavailable", 503, "A part this needs is away"),
    ("unsupported_media_type", 415, "The body must be JSON"),
    ("uri_too_long", 414, "The path is too long"),
    ("user_invalid", 422, "The user id is not usable"),
];

/// Status and title of a code.
pub fn find(code: &str) -> Option<(u16, &'static str)> {
    ALL.iter().find(|(name, ..)| *name == code).map(|(_, status, title)| (*status, *title))
}
