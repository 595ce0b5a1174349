//! A node of which every word to the database is noted, as it is on the wire.

use std::time::Duration;

use postgres_witness::{Noted, Witness};
use tempfile::TempDir;

use super::TestApp;

/// How long until it is asked once more whether all connections have come back.
const AGAIN: Duration = Duration::from_millis(1);
/// Far more than a connection takes to come back.
const PATIENCE: Duration = Duration::from_secs(20);

/// The node, and the witness between it and the database.
pub struct Watched {
    pub node: TestApp,
    witness: Witness,
    _folder: TempDir,
}

impl Watched {
    /// Another node of a service, with one connection to work with: the next request does not find
    /// another one that has yet to prepare what it asks.
    pub fn beside(app: &TestApp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!(".s.PGSQL.{}", app.options.get_port());
        let server = app.options.get_socket().unwrap().join(&name);
        let witness = Witness::start(&folder.path().join(name), &server).unwrap();
        let node =
            app.another_node_with_one_connection_over(app.options.clone().socket(folder.path()));
        Self { node, witness, _folder: folder }
    }

    /// What was asked since the last call, once nothing is under way: what a request leaves behind
    /// for others to finish is its own.
    pub async fn asked(&self) -> Vec<Noted> {
        let at_rest = async {
            while !self.node.db.is_at_rest() {
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, at_rest)
            .await
            .unwrap_or_else(|_| panic!("a connection does not come back"));
        self.witness.take()
    }
}
