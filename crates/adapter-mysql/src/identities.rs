//! Log-in names and their numbers. Names are compared byte by byte, whatever their length.

use async_trait::async_trait;
use doos_domain::ids::UserId;
use doos_ports::identity_store::IdentityStore;
use doos_ports::{Error, Result};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::rows::hash_literal;
use crate::session::{Session, decode};

const ENGINE: &str = "the identities";

pub struct MySqlIdentityStore {
    database: Arc<Database>,
}

fn hash_of(name: &str) -> String {
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
    hash_literal(&hash)
}

fn select(name: &str) -> String {
    format!("SELECT user_id FROM t_user_name WHERE name_hash = {}", hash_of(name))
}

fn user_of(rows: Vec<(u64,)>) -> Result<Option<UserId>, Fault> {
    let Some((number,)) = rows.into_iter().next() else { return Ok(None) };
    UserId::new(number).map(Some).ok_or_else(|| Fault::row("t_user_name", "a number out of range"))
}

impl MySqlIdentityStore {
    pub(crate) const fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    async fn find(&self, name: &str) -> Result<Option<UserId>, Fault> {
        user_of(self.database.read_text("t_user_name", &select(name)).await?)
    }

    async fn create(&self, name: &str) -> Result<UserId, Fault> {
        let mut session: Session = self.database.begin().await?;
        // Holds back everybody else who makes a number, so that two first uses of one name come one after the other.
        session.text("UPDATE t_user_number SET last_given = last_given + 1 WHERE one = 1").await?;
        if let Some(user) = user_of(decode("t_user_name", session.text(&select(name)).await?)?)? {
            session.rollback().await?;
            return Ok(user);
        }
        let sql = format!(
            "INSERT INTO t_user_name (name_hash, name, user_id) SELECT {}, ?, last_given FROM t_user_number WHERE one = 1",
            hash_of(name)
        );
        session.exec(&sql, vec![name.into()]).await?;
        let made = user_of(decode("t_user_name", session.text(&select(name)).await?)?)?;
        session.commit().await?;
        made.ok_or_else(|| Fault::row("t_user_name", "it was stored and is not there"))
    }
}

#[async_trait]
impl IdentityStore for MySqlIdentityStore {
    async fn resolve(&self, name: &str) -> Result<Option<UserId>> {
        self.find(name).await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn resolve_or_create(&self, name: &str) -> Result<UserId> {
        if let Some(user) = self.resolve(name).await? {
            return Ok(user);
        }
        // Asking again gives the number that was made, so a lost reply harms nobody.
        self.create(name).await.map_err(|fault| match fault {
            Fault::Away(cause) => Error::Unavailable { engine: ENGINE, cause },
            other => other.undone(ENGINE),
        })
    }
}
