//! The gate's scripts and its keys, which all lie in one slot of a cluster.

use doos_domain::ids::OrderId;
use redis::Script;

use super::text;
use crate::link::Link;

pub struct Scripts {
    pub hold: Script,
    pub release: Script,
    pub decided: Script,
    pub levels: Script,
    pub overdue: Script,
    pub postpone: Script,
    pub count: Script,
    pub look: Script,
    pub switch: Script,
}

impl Scripts {
    pub fn new() -> Self {
        let behind = |script: &str| Script::new(&[include_str!("standing.lua"), script].concat());
        Self {
            hold: behind(include_str!("hold.lua")),
            release: behind(include_str!("release.lua")),
            decided: behind(include_str!("decided.lua")),
            levels: behind(include_str!("levels.lua")),
            overdue: behind(include_str!("overdue.lua")),
            postpone: behind(include_str!("postpone.lua")),
            count: behind(include_str!("count.lua")),
            look: Script::new(include_str!("look.lua")),
            switch: Script::new(include_str!("switch.lua")),
        }
    }
}

/// Where everything lies. The first seven are the same in every script.
pub struct Places {
    pub fixed: Vec<String>,
    ended: String,
    pub made: String,
}

impl Places {
    pub fn of(link: &Link) -> Self {
        let names = ["marker", "rows", "undecided", "holds", "deadlines", "keys", "stream"];
        Self {
            fixed: names.iter().map(|name| link.key("gate", name)).collect(),
            ended: link.key("gate", "ended:"),
            made: link.key("gate", "made:"),
        }
    }

    pub fn ended(&self, order: OrderId) -> String {
        format!("{}{}", self.ended, text::order(order))
    }

    pub fn with(&self, own: impl IntoIterator<Item = String>) -> Vec<String> {
        self.fixed.iter().cloned().chain(own).collect()
    }
}
