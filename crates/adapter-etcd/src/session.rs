//! The work in the background: to list and watch, to keep the lease, to announce, to clear away. One conversation with
//! one member of etcd after the other, each until something fails.
//!
//! What holds: a conversation begins with a list of everything and a watch from its revision on. An event that a broken
//! or compacted watch has missed is therefore in the next list. The lease is prolonged first of all, and then whenever
//! a third of it has passed; as long as it is alive nothing has to be made anew.
//!
//! What must never happen here: a conversation that goes on with a watch that has ended, or a lease that is not asked
//! after because something else hangs.

use std::sync::Arc;
use std::time::Duration;

use crate::calls;
use crate::failure::Failure;
use crate::keys;
use crate::shared::{Announced, Shared};
use crate::tenure::Tenure;

/// After the first failure; the other members are to be asked while the lease is still good.
const RECONNECT_MIN: Duration = Duration::from_millis(50);

pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::select! {
        () = shared.closed() => {}
        () = converse(&shared) => {}
    }
}

async fn converse(shared: &Shared) {
    let longest = Duration::from_millis(shared.options.reconnect_max_ms.into()).max(RECONNECT_MIN);
    let mut pause = RECONNECT_MIN;
    loop {
        let mut was_listed = false;
        let failure = conversation(shared, &mut was_listed).await;
        shared.set_away(&failure.to_string());
        shared.link.move_on();
        if was_listed {
            pause = RECONNECT_MIN;
        }
        // Half of it by chance, so that those whom one failure has cut off do not all come back at once.
        let by_chance = shared.clock.random() % 512;
        shared.clock.sleep(pause / 2 + pause.mul_f64(by_chance as f64 / 1024.0)).await;
        pause = (pause * 2).min(longest);
    }
}

/// Until something fails.
async fn conversation(shared: &Shared, was_listed: &mut bool) -> Failure {
    // The lease has been waiting for as long as nobody answered.
    let waiting = shared.state().tenure.clone();
    if let Some(tenure) = waiting
        && let Err(failure) = prolong(shared, &tenure).await
    {
        return failure;
    }
    let listed = match shared.link.list(shared.keys.all()).await {
        Ok(listed) => listed,
        Err(failure) => return failure,
    };
    *was_listed = true;
    let after = listed.revision;
    shared.learn(|board| board.replace(after, listed.kvs));
    tokio::select! {
        failure = follow(shared, after) => failure,
        failure = keep(shared) => failure,
    }
}

async fn follow(shared: &Shared, after: i64) -> Failure {
    let mut watch = match shared.link.watch(shared.keys.all(), after).await {
        Ok(watch) => watch,
        Err(failure) => return failure,
    };
    loop {
        match watch.next().await {
            Ok(response) => shared.learn(|board| board.apply(response.events)),
            Err(failure) => return failure,
        }
    }
}

/// Keeps the lease, and what is bound to it in order.
async fn keep(shared: &Shared) -> Failure {
    let mut complained = false;
    loop {
        let tenure = match lease(shared).await {
            Ok(tenure) => tenure,
            Err(failure) => return failure,
        };
        match tidy(shared, &tenure).await {
            Ok(()) => complained = false,
            // The lease is asked after at once, and made anew.
            Err(Failure::LeaseEnded) => {
                if let Err(failure) = prolong(shared, &tenure).await {
                    return failure;
                }
                continue;
            }
            // Out of space, or no right to write: what is held stays held, so this is no reason to break off.
            Err(Failure::Refused(cause)) => {
                if !std::mem::replace(&mut complained, true) {
                    tracing::error!(cause, "the registry refuses what this process writes there");
                }
                shared.clock.sleep(RECONNECT_MIN).await;
            }
            Err(failure) => return failure,
        }
        let wait = tenure.due().saturating_sub(shared.now());
        tokio::select! {
            () = shared.clock.sleep(wait) => {}
            () = shared.work.notified() => {}
        }
    }
}

/// The lease, alive.
async fn lease(shared: &Shared) -> Result<Arc<Tenure>, Failure> {
    let known = shared.state().tenure.clone();
    if let Some(tenure) = known
        && (shared.now() < tenure.due() || prolong(shared, &tenure).await?)
    {
        shared.set_there(&tenure);
        return Ok(tenure);
    }
    let asked_at = shared.now();
    let (id, ttl) = shared.link.grant(shared.options.lease_ttl_s).await?;
    let tenure = Arc::new(Tenure::new(id, ttl, asked_at));
    shared.set_there(&tenure);
    Ok(tenure)
}

/// False: it has ended.
async fn prolong(shared: &Shared, tenure: &Tenure) -> Result<bool, Failure> {
    let asked_at = shared.now();
    let kept = shared.link.keep_alive(tenure.id).await?;
    match kept {
        Some(ttl) => tenure.prolong(ttl, asked_at),
        None => shared.end_tenure(tenure),
    }
    Ok(kept.is_some())
}

/// Announces what is wanted, takes back what is not, and frees names that nobody holds any more.
async fn tidy(shared: &Shared, tenure: &Tenure) -> Result<(), Failure> {
    let (to_announce, is_unwanted, orphans) = {
        let state = shared.state();
        let is_seen = || state.board.view().instances.contains_key(&shared.instance);
        let is_unwanted = state.wanted.is_none() && (state.announced.is_some() || is_seen());
        (state.to_announce(tenure), is_unwanted, state.orphans(tenure))
    };
    if let Some(instance) = to_announce {
        let put = calls::put(shared.keys.instance(&instance.name), keys::announced(&instance), tenure.id);
        let revision = shared.link.transact(vec![], vec![put], None).await?.revision;
        shared.state().announced = Some(Announced { instance, lease: tenure.id, revision });
    } else if is_unwanted {
        let delete = calls::delete(shared.keys.instance(&shared.instance));
        shared.link.transact(vec![], vec![delete], None).await?;
        shared.state().announced = None;
    }
    for (name, fence) in orphans {
        free(shared, &name, fence).await?;
    }
    Ok(())
}

/// Frees a name, if it is still the one that was got at this fence.
pub(crate) async fn free(shared: &Shared, name: &str, fence: i64) -> Result<(), Failure> {
    let key = shared.keys.lease(name);
    shared.link.transact(vec![calls::created(key.clone(), fence)], vec![calls::delete(key)], None).await?;
    Ok(())
}

/// Gives everything back. What cannot be given back now ends with the lease.
pub(crate) async fn close(shared: &Shared) {
    if let Some(tenure) = shared.end()
        && let Err(failure) = shared.link.revoke(tenure.id).await
    {
        tracing::warn!(%failure, "the lease could not be given back; it will run out");
    }
}
