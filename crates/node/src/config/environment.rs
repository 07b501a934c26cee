//! What the environment says (`DOOS_…`), and how a complaint about it is worded: never with a secret in it.

use figment::providers::Env;
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Provider as _};

use super::{Config, Error, flatten};

/// Lays the environment over what is known already.
pub(super) fn merge(figment: Figment) -> Figment {
    // The others of the same prefix are no options: where the file is, and what scripts and tests tell each other.
    let is_option = |key: &figment::value::UncasedStr| {
        let key = key.as_str().to_lowercase();
        let families = ["test_", "services_", "torture_", "port_", "cluster_", "bench_", "mysql_", "redis_password"];
        !["config", "binary"].contains(&key.as_str()) && !families.iter().any(|family| key.starts_with(family))
    };
    let environment = Env::prefixed("DOOS_").filter(is_option).split("__");
    let metadata = environment.metadata();
    let words = words(environment.iter().map(|(key, text)| (key.into_string(), text)));
    let mut figment = figment.merge(environment);
    for (key, text) in words {
        figment = figment.merge(Word { key, text, metadata: metadata.clone() });
    }
    figment
}

/// Keys whose values must never be shown, not even in a complaint about them.
const SECRETS: [&str; 3] = ["auth.token_secret", "payment.callback_secret", "opensearch.password"];

/// What is text by its key and would be read as something else by its looks: `0123` is no number in a secret.
fn words(variables: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let defaults = serde_json::to_value(Config::default()).expect("a configuration is plain values");
    let mut keys: Vec<String> = SECRETS.map(str::to_owned).into();
    flatten("", &defaults, &mut |key, value| {
        if value.is_string() {
            keys.push(key.to_owned());
        }
    });
    let looks_like_text = |text: &str| matches!(text.parse(), Ok(figment::value::Value::String(..)));
    variables.filter(|(key, text)| keys.contains(key) && !looks_like_text(text)).collect()
}

/// One variable of the environment, taken as it stands.
struct Word {
    key: String,
    text: String,
    metadata: Metadata,
}

impl figment::Provider for Word {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> figment::Result<Map<figment::Profile, Dict>> {
        let nested = figment::util::nest(&self.key, self.text.trim().into()).into_dict().unwrap_or_default();
        Ok(figment::Profile::Default.collect(nested))
    }
}

/// Says what is wrong, but never with a secret in it.
pub(super) fn unusable(error: figment::Error) -> Error {
    let told = error.into_iter().map(|error| {
        let key = error.path.join(".");
        match SECRETS.contains(&key.as_str()) {
            true => format!("{key} must be text; put it into quotes"),
            false => error.to_string(),
        }
    });
    Error::Invalid(told.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::providers::Serialized;
    use secrecy::ExposeSecret;

    #[test]
    fn what_is_text_by_its_key_is_taken_as_it_stands() {
        let given = [
            ("auth.token_secret", "00000000000012345678901234567890"),
            ("payment.callback_secret", "true"),
            ("data_dir", "2026"),
            ("log.level", "info"),
            ("auth.token_ttl_s", "60"),
        ];
        let given = given.map(|(key, text)| (key.to_owned(), text.to_owned()));
        let found = words(given.clone().into_iter());
        assert_eq!(found, given[..3]);
        let word = Word { key: found[0].0.clone(), text: found[0].1.clone(), metadata: Metadata::default() };
        let read: Config = Figment::from(Serialized::defaults(Config::default())).merge(word).extract().unwrap();
        assert_eq!(read.auth.token_secret.unwrap().expose_secret(), given[0].1);
    }

    #[test]
    fn a_secret_of_the_wrong_kind_is_refused_without_being_shown() {
        let given = Serialized::global("auth.token_secret", 4_711_u32);
        let figment = Figment::from(Serialized::defaults(Config::default())).merge(given);
        let told = unusable(figment.extract::<Config>().unwrap_err()).to_string();
        assert!(told.contains("auth.token_secret") && !told.contains("4711"), "{told}");
    }
}
