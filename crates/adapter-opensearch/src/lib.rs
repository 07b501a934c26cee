//! Search on OpenSearch, or on an Elasticsearch that speaks the same REST.
//!
//! What holds: a document is written under its order's version, so a repeated or overtaken write is refused there and
//! harmless here. Documents are written first and the standing after them, with a compare-and-set on what was read
//! before, so the standing is never ahead of the documents, and two that follow the feed at once do not undo each other.
//! A beginning anew fills an index of its own; an alias names the one that is searched, and moves when the walk is done.
//!
//! What must never happen: a document in an index that nobody made (a write needs the index's own alias); a page of
//! results with some shards missing.
//!
//! Where to read next: `search` for the port, `indices` for what is made and removed, `query` for what is asked.

mod document;
mod http;
mod indices;
mod options;
mod query;
mod search;
mod standing;

pub use http::Error;
pub use options::Options;
pub use search::{OpenSearchIndex, Server};
