//! The way to etcd: one connection to one of its members, and each call on it with its deadline.
//!
//! What holds: a call is answered, refused, or over within its time. Whoever finds that a member does not answer moves
//! the whole process on to the next one ([`Link::move_on`]), with a new connection: an old one may be cut without either
//! side having been told.
//!
//! No pings of the transport: etcd ends connections that ping more often than it likes, and the lease is asked after
//! more often than that anyway.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::failure::Failure;
use crate::options::Options;
use crate::wire::{AuthenticateRequest, AuthenticateResponse};

/// Largest answer: the list of everything, see `calls`.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The member that a stream ends on when it has lost its cluster, rather than fall silent.
const REQUIRE_LEADER: &str = "hasleader";

pub(crate) struct Link {
    members: Vec<Endpoint>,
    position: Mutex<Position>,
    login: Option<AuthenticateRequest>,
    token: Mutex<Option<MetadataValue<Ascii>>>,
    timeout: Duration,
}

struct Position {
    index: usize,
    channel: Option<Channel>,
}

impl Link {
    /// `start` chooses the first member, so that processes spread over them.
    pub fn new(options: &Options, start: u64) -> Result<Self, String> {
        let members = members(options)?;
        let index = usize::try_from(start % members.len() as u64).unwrap_or(0);
        Ok(Self {
            members,
            position: Mutex::new(Position { index, channel: None }),
            login: login(options)?,
            token: Mutex::new(None),
            timeout: options.call_timeout(),
        })
    }

    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel(&self) -> Channel {
        let mut position = self.position();
        let index = position.index;
        position.channel.get_or_insert_with(|| self.members[index].connect_lazy()).clone()
    }

    /// To the next member, with a new connection. Calls under way keep the old one until they end.
    pub fn move_on(&self) {
        let mut position = self.position();
        position.index = (position.index + 1) % self.members.len();
        position.channel = None;
    }

    pub async fn unary<Q, A>(&self, path: &'static str, message: Q) -> Result<A, Failure>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.with_token(|token| {
            let request = request(message.clone(), token);
            Box::pin(async move {
                let mut grpc = self.grpc().await?;
                let answer = grpc.unary(request, at(path), codec::<Q, A>()).await?;
                Ok(answer.into_inner())
            })
        })
        .await
    }

    /// One question on a stream that goes both ways, and its first answer.
    pub async fn first_answer<Q, A>(&self, path: &'static str, message: Q) -> Result<A, Failure>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.with_token(|token| {
            let question = request(stream::once(std::future::ready(message.clone())), token);
            Box::pin(async move {
                let mut grpc = self.grpc().await?;
                let mut answers = grpc.streaming(question, at(path), codec::<Q, A>()).await?.into_inner();
                first_of(&mut answers).await
            })
        })
        .await
    }

    /// One question on a stream that stays open, its first answer, and the answers to come.
    pub async fn answers<Q, A>(&self, path: &'static str, message: Q) -> Result<(A, Streaming<A>), Failure>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.with_token(|token| {
            // Whoever has nothing more to ask and says so is not answered any more.
            let question = stream::once(std::future::ready(message.clone())).chain(stream::pending());
            let mut question = request(question, token);
            question.metadata_mut().insert(REQUIRE_LEADER, MetadataValue::from_static("true"));
            Box::pin(async move {
                let mut grpc = self.grpc().await?;
                let mut answers = grpc.streaming(question, at(path), codec::<Q, A>()).await?.into_inner();
                Ok((first_of(&mut answers).await?, answers))
            })
        })
        .await
    }

    async fn grpc(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel()).max_decoding_message_size(ANSWER_BYTES_MAX);
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        Ok(grpc)
    }

    /// A token that is not valid any more is renewed once.
    async fn with_token<'call, A>(
        &'call self,
        call: impl Fn(Option<MetadataValue<Ascii>>) -> BoxFuture<'call, Result<A, Status>> + Send,
    ) -> Result<A, Failure> {
        let known = self.token().clone();
        let token = if known.is_none() { self.log_in().await? } else { known };
        match self.in_time(call(token)).await {
            Err(Failure::Token(_)) if self.login.is_some() => {
                let token = self.log_in().await?;
                self.in_time(call(token)).await
            }
            outcome => outcome,
        }
    }

    fn token(&self) -> MutexGuard<'_, Option<MetadataValue<Ascii>>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn log_in(&self) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let Some(login) = &self.login else { return Ok(None) };
        let asked = async {
            let mut grpc = self.grpc().await?;
            let path = at("/etcdserverpb.Auth/Authenticate");
            let codec = codec::<AuthenticateRequest, AuthenticateResponse>();
            Ok(grpc.unary(Request::new(login.clone()), path, codec).await?.into_inner())
        };
        let token = self.in_time(asked).await?.token;
        let token =
            MetadataValue::try_from(token).map_err(|_| Failure::Refused("a token that is no text".to_owned()))?;
        *self.token() = Some(token.clone());
        Ok(Some(token))
    }

    async fn in_time<A>(&self, call: impl Future<Output = Result<A, Status>>) -> Result<A, Failure> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(outcome) => outcome.map_err(|status| Failure::of(&status)),
            Err(_) => Err(Failure::Silent(format!("no answer within {} ms", self.timeout.as_millis()))),
        }
    }
}

async fn first_of<A>(answers: &mut Streaming<A>) -> Result<A, Status> {
    answers.message().await?.ok_or_else(|| Status::unavailable("the stream ended without an answer"))
}

fn at(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

fn codec<Q: Message + 'static, A: Message + Default + 'static>() -> ProstCodec<Q, A> {
    ProstCodec::default()
}

fn request<T>(message: T, token: Option<MetadataValue<Ascii>>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("token", token);
    }
    request
}

fn members(options: &Options) -> Result<Vec<Endpoint>, String> {
    let addresses: Vec<&str> = options.endpoints.split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
    if addresses.is_empty() {
        return Err("no endpoint is named".to_owned());
    }
    addresses.into_iter().map(|address| member(options, address)).collect()
}

fn member(options: &Options, address: &str) -> Result<Endpoint, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("the endpoint {address:?}: {why}");
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|error| wrong(&error))?;
    let endpoint = endpoint.connect_timeout(options.connect_timeout()).tcp_nodelay(true);
    match endpoint.uri().scheme_str() {
        Some("http") => Ok(endpoint),
        Some("https") => endpoint.tls_config(tls(options)?).map_err(|error| wrong(&error)),
        _ => Err(wrong(&"it must begin with http:// or https://")),
    }
}

fn tls(options: &Options) -> Result<ClientTlsConfig, String> {
    let ca = options.ca_file.as_deref().ok_or("an https endpoint needs ca_file")?;
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
    if let (Some(certificate), Some(key)) = (&options.certificate_file, &options.key_file) {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(tls)
}

fn login(options: &Options) -> Result<Option<AuthenticateRequest>, String> {
    let (Some(name), Some(file)) = (&options.user, &options.password_file) else { return Ok(None) };
    let password = read(file)?.lines().next().unwrap_or_default().to_owned();
    Ok(Some(AuthenticateRequest { name: name.clone(), password }))
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(endpoints: &str) -> String {
        let options = Options { endpoints: endpoints.to_owned(), ..Options::default() };
        members(&options).err().unwrap_or_default()
    }

    #[test]
    fn endpoints_are_separated_by_commas() {
        let endpoints = "http://10.0.0.1:2379, http://10.0.0.2:2379,".to_owned();
        assert_eq!(members(&Options { endpoints, ..Options::default() }).unwrap().len(), 2);
    }

    #[test]
    fn an_endpoint_that_cannot_work_is_named_in_its_refusal() {
        assert!(refusal(" , ").contains("no endpoint"));
        assert!(refusal("127.0.0.1:2379").contains("127.0.0.1:2379"));
        assert!(refusal("ftp://127.0.0.1").contains("ftp://127.0.0.1"));
        assert!(refusal("https://127.0.0.1:2379").contains("ca_file"));
    }
}
