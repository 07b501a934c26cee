//! The few questions that are put to etcd.
//!
//! What holds: every write is one transaction, so that each says under which condition it happens, be it none.

use std::time::Duration;

use tonic::Streaming;

use crate::failure::Failure;
use crate::keys::Range;
use crate::link::Link;
use crate::wire::{
    Compare, DeleteRequest, Done, GrantRequest, GrantResponse, KeepAliveResponse, KeyValue, LeaseRequest, Op,
    Operation, PutRequest, RangeRequest, RangeResponse, Result as Reply, Revision, TxnRequest, TxnResponse,
    WatchCreate, WatchRequest, WatchResponse,
};

/// Keys of one registry. Far above what 64 workers and their values come to.
const KEYS_MAX: i64 = 10_000;

pub(crate) struct Listed {
    pub revision: i64,
    pub kvs: Vec<KeyValue>,
}

/// What a transaction came to.
pub(crate) struct Settled {
    pub revision: i64,
    /// Its conditions held and its writes were made.
    pub was_done: bool,
    /// Otherwise: the key that was asked for instead, if it is there.
    pub found: Option<KeyValue>,
}

pub(crate) fn put(key: Vec<u8>, value: Vec<u8>, lease: i64) -> Op {
    Op::Put(PutRequest { key, value, lease })
}

pub(crate) fn delete(key: Vec<u8>) -> Op {
    Op::Delete(DeleteRequest { key })
}

pub(crate) fn absent(key: Vec<u8>) -> Compare {
    created(key, 0)
}

pub(crate) fn created(key: Vec<u8>, revision: i64) -> Compare {
    Compare::equal(key, Revision::Created(revision))
}

pub(crate) fn modified(key: Vec<u8>, revision: i64) -> Compare {
    Compare::equal(key, Revision::Modified(revision))
}

impl Link {
    pub async fn list(&self, range: Range) -> Result<Listed, Failure> {
        let request = RangeRequest { key: range.key, range_end: range.end, limit: KEYS_MAX };
        let response: RangeResponse = self.unary("/etcdserverpb.KV/Range", request).await?;
        if response.more {
            return Err(Failure::Refused(format!("there are more than {KEYS_MAX} keys under the prefix")));
        }
        Ok(Listed { revision: response.header.unwrap_or_default().revision, kvs: response.kvs })
    }

    /// Does all of `ops` if all of `conditions` hold; looks at `otherwise` if not.
    pub async fn transact(
        &self,
        conditions: Vec<Compare>,
        ops: Vec<Op>,
        otherwise: Option<Vec<u8>>,
    ) -> Result<Settled, Failure> {
        let operation = |op| Operation { op: Some(op) };
        let look = |key| operation(Op::Range(RangeRequest { key, ..RangeRequest::default() }));
        let request = TxnRequest {
            compare: conditions,
            success: ops.into_iter().map(operation).collect(),
            failure: otherwise.map(look).into_iter().collect(),
        };
        let response: TxnResponse = self.unary("/etcdserverpb.KV/Txn", request).await?;
        let looked = response.responses.into_iter().find_map(|outcome| match outcome.result {
            Some(Reply::Range(range)) => Some(range.kvs),
            _ => None,
        });
        Ok(Settled {
            revision: response.header.unwrap_or_default().revision,
            was_done: response.succeeded,
            found: looked.and_then(|kvs| kvs.into_iter().next()),
        })
    }

    /// A new lease and how long it lasts.
    pub async fn grant(&self, ttl_s: u32) -> Result<(i64, Duration), Failure> {
        let request = GrantRequest { ttl_s: i64::from(ttl_s) };
        let granted: GrantResponse = self.unary("/etcdserverpb.Lease/LeaseGrant", request).await?;
        Ok((granted.id, seconds(granted.ttl_s)))
    }

    /// How long the lease lasts from now on; none: it has ended.
    pub async fn keep_alive(&self, id: i64) -> Result<Option<Duration>, Failure> {
        let path = "/etcdserverpb.Lease/LeaseKeepAlive";
        let kept: KeepAliveResponse = self.first_answer(path, LeaseRequest { id }).await?;
        Ok((kept.ttl_s > 0).then(|| seconds(kept.ttl_s)))
    }

    pub async fn revoke(&self, id: i64) -> Result<(), Failure> {
        let _: Done = self.unary("/etcdserverpb.Lease/LeaseRevoke", LeaseRequest { id }).await?;
        Ok(())
    }

    /// Everything that happens in a range after a revision.
    pub async fn watch(&self, range: Range, after: i64) -> Result<Watch, Failure> {
        let create = WatchCreate { key: range.key, range_end: range.end, start_revision: after + 1, fragment: true };
        let request = WatchRequest { create: Some(create) };
        let (first, stream) = self.answers("/etcdserverpb.Watch/Watch", request).await?;
        check(&first)?;
        Ok(Watch { first: Some(first), stream })
    }
}

fn seconds(ttl_s: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl_s).unwrap_or(0))
}

pub(crate) struct Watch {
    first: Option<WatchResponse>,
    stream: Streaming<WatchResponse>,
}

impl Watch {
    /// The next events. An error, and the end of the stream too, means that what comes after is not known.
    pub async fn next(&mut self) -> Result<WatchResponse, Failure> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let next = self.stream.message().await.map_err(|status| Failure::of(&status))?;
        let next = next.ok_or_else(|| Failure::Away("the watch has ended".to_owned()))?;
        check(&next)?;
        Ok(next)
    }
}

/// A watch that etcd has ended says so in a message; its stream stays open.
fn check(response: &WatchResponse) -> Result<(), Failure> {
    if response.compact_revision != 0 {
        let from = response.compact_revision;
        return Err(Failure::Away(format!("the watch fell behind: what was before revision {from} is compacted")));
    }
    if response.canceled {
        return Err(Failure::Away(format!("the watch was ended: {}", response.cancel_reason)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_etcd_has_ended_is_an_error() {
        let going_on = WatchResponse { created: true, ..WatchResponse::default() };
        assert!(check(&going_on).is_ok());
        assert!(check(&WatchResponse { canceled: true, ..going_on.clone() }).is_err());
        assert!(check(&WatchResponse { compact_revision: 7, ..going_on }).is_err());
    }
}
