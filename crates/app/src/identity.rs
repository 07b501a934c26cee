//! Who a `user_id` means: a number as it stands, or a log-in name with a stable number behind it.

use doos_domain::ids::UserId;

use crate::{App, Error, Result};

const NAME_CHARS_MAX: usize = 64;

/// What to do with a log-in name nobody has used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownNames {
    /// Profile dev: the first use creates the user.
    Create,
    Refuse,
}

impl App {
    pub async fn resolve_user(&self, text: &str, unknown: UnknownNames) -> Result<UserId> {
        let numeric = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.');
        if text.is_empty() || text.chars().all(numeric) {
            return text.parse().map_err(|_| {
                Error::InvalidUser("a user_id is a whole number from 1 to 9223372036854775807, or a name".to_owned())
            });
        }
        let nameable = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '+');
        if text.chars().count() > NAME_CHARS_MAX || !text.chars().all(nameable) || !text.contains(char::is_alphabetic) {
            return Err(Error::InvalidUser(format!(
                "a log-in name has at most {NAME_CHARS_MAX} letters, digits and _-.@+"
            )));
        }
        if looks_like_a_number(text) {
            return Err(Error::InvalidUser("a user_id that is a number must be a whole one".to_owned()));
        }
        match unknown {
            UnknownNames::Create => Ok(self.ports.identities.resolve_or_create(text).await?),
            UnknownNames::Refuse => {
                let found = self.ports.identities.resolve(text).await?;
                found.ok_or_else(|| Error::UnknownName(text.to_owned()))
            }
        }
    }
}

/// `1e5`, `NaN` and the like: numeric to a program, not a name anybody meant.
fn looks_like_a_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}
