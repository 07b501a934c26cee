//! `doos config print`: every value in force and where it came from, without the secrets.

use super::Loaded;

impl Loaded {
    /// Every value with where it came from: `key = value  # origin`.
    pub fn print(&self) -> String {
        let line = |(key, value, origin): &(String, serde_json::Value, String)| format!("{key} = {value}  # {origin}");
        self.entries().iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The same by key.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |(key, value, origin)| (key, serde_json::json!({ "value": value, "origin": origin }));
        self.entries().into_iter().map(entry).collect::<serde_json::Map<_, _>>().into()
    }

    /// Key, value and origin; of a secret only whether it is set.
    fn entries(&self) -> Vec<(String, serde_json::Value, String)> {
        let mut tree = serde_json::to_value(&self.config).expect("a configuration is plain values");
        for key in ["token_secret", "callback_secret"] {
            let set = match key {
                "token_secret" => self.config.auth.token_secret.is_some(),
                _ => self.config.payment.callback_secret.is_some(),
            };
            let section = if key == "token_secret" { "auth" } else { "payment" };
            tree[section][key] = serde_json::Value::from(if set { "(set, not shown)" } else { "(not set)" });
        }
        let mut entries = Vec::new();
        flatten("", &tree, &mut |key, value| entries.push((key.to_owned(), value.clone(), self.origin(key))));
        entries
    }

    fn origin(&self, key: &str) -> String {
        let Some(metadata) = self.figment.find_metadata(key) else { return "default".to_owned() };
        let name = metadata.name.to_string();
        if name.contains("doos_node::config::Config") {
            return "default".to_owned();
        }
        match &metadata.source {
            Some(source) if name.contains("YAML") => format!("file {source}"),
            _ if name.contains("environment") => format!("environment DOOS_{}", key.replace('.', "__").to_uppercase()),
            _ => "flag".to_owned(),
        }
    }
}

/// Visits every leaf of a tree of values with its dotted path; lists are leaves.
pub fn flatten(prefix: &str, value: &serde_json::Value, visit: &mut impl FnMut(&str, &serde_json::Value)) {
    let serde_json::Value::Object(fields) = value else { return visit(prefix, value) };
    for (name, field) in fields {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        flatten(&key, field, visit);
    }
}
