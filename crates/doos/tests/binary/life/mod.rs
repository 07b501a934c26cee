//! A user's first days with the binary, subject by subject.

mod archive;
mod cancelling;
mod commands;
mod deadlines;
mod grpc;
mod live_stream;
mod principals;
mod profiles;
mod repeats;
mod restarts;
mod source_documents;
mod whole_life;
