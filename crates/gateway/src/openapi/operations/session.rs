//! Who is calling, and what the payment provider tells us.

use super::{Answer, Kind, NOTHING, Operation, PAYMENT, Parameter, SESSION, json};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "get",
        path: "/v1/users/me",
        id: "whoAmI",
        tag: SESSION,
        summary: "Who is calling.",
        answers: &[json(200, "The caller, as its token or session says.", "Me")],
        kind: Kind::Read,
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/auth/login",
        id: "logIn",
        tag: SESSION,
        summary: "Log in with a browser.",
        description: "Exactly one of `token`, `user` and `operator`. Answers with a cookie that scripts cannot read and \
            that counts like a bearer token for pages of this node, the WebSocket included. By name alone only in \
            profile dev, from the same machine.",
        body: Some("LogIn"),
        body_required: true,
        answers: &[json(200, "Logged in; the session is in the cookie.", "Me")],
        kind: Kind::Open,
        codes: &[
            "forbidden",
            "token_invalid",
            "token_missing",
            "name_unknown",
            "user_invalid",
            "invalid_json",
            "invalid_request",
            "body_too_large",
            "unsupported_media_type",
            "request_timeout",
            "rate_limited",
            "unavailable",
        ],
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/auth/logout",
        id: "logOut",
        tag: SESSION,
        summary: "End the session.",
        answers: &[Answer {
            status: 204,
            description: "The cookie is gone.",
            content: None,
            schema: None,
            headers: &[],
        }],
        kind: Kind::Open,
        codes: &["forbidden", "rate_limited"],
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/payments/callback",
        id: "paymentCallback",
        tag: PAYMENT,
        summary: "What became of an attempt or a refund.",
        description: "Signed instead of authenticated: HMAC-SHA-256 with the shared key over `t`, a full stop and the \
            body as sent. Repeats change nothing. Anything but a success is to be repeated later.",
        parameters: &[Parameter {
            name: "Doos-Signature",
            place: "header",
            kind: "string",
            description: "`t=<ms since 1970>,v1=<hex>`; five minutes are tolerated.",
            example: "",
        }],
        body: Some("PaymentCallback"),
        answers: &[json(200, "Booked, durably.", "CallbackTaken")],
        kind: Kind::Open,
        codes: &[
            "signature_invalid",
            "callback_rejected",
            "invalid_json",
            "invalid_request",
            "body_too_large",
            "unsupported_media_type",
            "request_timeout",
            "not_ready",
            "rate_limited",
            "overloaded",
            "unavailable",
        ],
        ..NOTHING
    },
];
