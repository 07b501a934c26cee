//! One hold after another, in groups: what arrives while a group is written makes the next one.
//!
//! What holds: nobody runs in the background. Of those who wait, one has the writer's place: it writes the group that has
//! gathered, tells everybody in it, and hands the place on when its own hold is told. The rows are locked all the same,
//! since there are other processes. A caller who goes away while it writes for others leaves their outcome unknown.

use doos_batcher::{Limits, Receiver, Sender};
use doos_ports::Error;
use doos_ports::stock_gate::{Hold, HoldError};
use futures::future::{Either, select};
use std::collections::BTreeMap;
use std::pin::pin;
use tokio::sync::Mutex;

use super::tables::{add, insert_holds, reads_for, seen};
use super::verdict::{Sums, Verdict, merged};
use super::{ENGINE, Shelves};
use crate::error::Fault;

const LIMITS: Limits = Limits { queue_len_max: 4_096, group_len_max: 256, group_weight_max: usize::MAX };
/// Of a group that met another process's.
const TRIES: u32 = 5;

type Told = Result<(), HoldError>;

pub struct Queue {
    sender: Sender<Hold, Told>,
    writer: Mutex<Receiver<Hold, Told>>,
}

impl Queue {
    pub fn new() -> Self {
        let (sender, receiver) = doos_batcher::channel(LIMITS);
        Self { sender, writer: Mutex::new(receiver) }
    }

    pub async fn hold(&self, shelves: &Shelves, hold: Hold) -> Told {
        let busy = |_| HoldError::Engine(Error::Busy { engine: ENGINE });
        let pending = self.sender.submit(hold, 1).map_err(busy)?;
        let mut told = pin!(pending.reply());
        loop {
            let place = pin!(self.writer.lock());
            match select(&mut told, place).await {
                Either::Left((told, _)) => return told.map_err(unknown)?,
                // It waits in the queue, so there is a group; or the writer before has just told it.
                Either::Right((mut receiver, _)) => match select(&mut told, pin!(receiver.next_group())).await {
                    Either::Left((told, _)) => return told.map_err(unknown)?,
                    Either::Right((group, _)) => {
                        if let Some(group) = group {
                            let (holds, replies) = group.into_parts();
                            replies.send(shelves.hold_all(&holds).await);
                        }
                    }
                },
            }
        }
    }
}

fn unknown(_: doos_batcher::Error) -> HoldError {
    HoldError::Engine(Error::Unknown { engine: ENGINE, cause: "whoever wrote its group went away".to_owned() })
}

impl Shelves {
    /// As [`hold_group`](Self::hold_group), again if others were in the way.
    async fn hold_all(&self, holds: &[Hold]) -> Vec<Told> {
        let mut tries = TRIES;
        loop {
            match self.hold_group(holds).await {
                Ok(told) => return told,
                Err((Fault::Contended(_), _)) if tries > 1 => tries -= 1,
                // One that the server refuses must not take the others with it.
                Err((Fault::Refused(_), _)) if holds.len() > 1 => {
                    let mut told = Vec::with_capacity(holds.len());
                    for hold in holds {
                        told.extend(Box::pin(self.hold_all(std::slice::from_ref(hold))).await);
                    }
                    return told;
                }
                // What was refused before the loss was refused under locks, and stays so.
                Err((fault, Some(told))) => {
                    let unknown =
                        |told: Told| told.and_then(|()| Err(HoldError::Engine(fault.clone().unknown(ENGINE))));
                    return told.into_iter().map(unknown).collect();
                }
                Err((fault, None)) => {
                    return holds.iter().map(|_| Err(HoldError::Engine(fault.clone().undone(ENGINE)))).collect();
                }
            }
        }
    }

    /// Decides one hold after another and writes the winners in one transaction.
    /// A fault after the verdicts were given comes with them: the COMMIT may have been reached.
    async fn hold_group(&self, holds: &[Hold]) -> Result<Vec<Told>, (Fault, Option<Vec<Told>>)> {
        let early = |fault| (fault, None);
        let mut wanted = Sums::new();
        for hold in holds {
            wanted.extend(merged(&hold.lines));
        }
        let begin = format!("START TRANSACTION; {}", reads_for(holds.iter(), &wanted, " FOR UPDATE"));
        let (mut session, sets) = self.look(&begin, true).await.map_err(early)?;
        let mut seen = seen(sets).map_err(early)?;
        let mut told = Vec::with_capacity(holds.len());
        let mut taken: Vec<&Hold> = Vec::new();
        let mut sums: Sums = BTreeMap::new();
        for hold in holds {
            told.push(match seen.judge(hold) {
                Verdict::Repeat => Ok(()),
                Verdict::Refuse(refusal) => Err(refusal),
                Verdict::Take(demands) => {
                    seen.take(hold, &demands);
                    for (product, qty) in demands {
                        *sums.entry(product).or_default() += qty;
                    }
                    taken.push(hold);
                    Ok(())
                }
            });
        }
        if taken.is_empty() {
            session.rollback().await.map_err(early)?;
            return Ok(told);
        }
        let write = format!("{}; {}; COMMIT", add(&sums, 1, "", ""), insert_holds(taken.into_iter()));
        match session.texts_to_commit(&write).await {
            Ok(()) => Ok(told),
            // Another process has held one of these orders or keys meanwhile; the next look finds it.
            Err(Fault::Duplicate(cause) | Fault::Contended(cause)) => {
                session.rollback().await.map_err(early)?;
                Err((Fault::Contended(cause), None))
            }
            Err(fault) => Err((fault, Some(told))),
        }
    }
}
