//! Who is calling, as a page wants to know it.

use doos_app::Principal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::options::Profile;

#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeView {
    /// `customer`, `service`, `operator`, or `demo`: a call without a token in profile dev.
    kind: &'static str,
    /// The user's number, or the name of the service or operator.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// `dev` or `prod`.
    profile: &'static str,
    /// Whether a log-in by name alone is taken here.
    by_name: bool,
}

impl MeView {
    pub fn of(principal: &Principal, profile: Profile, by_name: bool) -> Self {
        let (kind, name, user_id) = match principal {
            Principal::Customer(user) => ("customer", user.to_string(), Some(user.to_string())),
            Principal::Service(name) => ("service", name.clone(), None),
            Principal::Operator(name) => ("operator", name.clone(), None),
            Principal::Demo => ("demo", "demo".to_owned(), None),
        };
        let profile = match profile {
            Profile::Dev => "dev",
            Profile::Prod => "prod",
        };
        Self { kind, name, user_id, profile, by_name }
    }
}
