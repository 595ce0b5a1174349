//! A PostgreSQL that listens on the loopback interface, with TLS or without. The key beside this
//! file is for tests alone: nothing trusts the authority that vouches for it (for `localhost`), and
//! that authority's own key was thrown away.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use embedded_postgres::find_binaries;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};

use super::cluster;

static SERVERS: AtomicU32 = AtomicU32::new(0);

/// Who comes over the network is believed; to the database `encrypted` only over TLS.
const WHO_MAY: &str =
    "hostnossl encrypted all 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n";

pub struct Networked {
    process: Child,
    pub port: u16,
    /// The authority's certificate.
    pub authority: PathBuf,
}

impl Networked {
    pub async fn start(with_tls: bool) -> Self {
        let folder = cluster::own_folder()
            .join(format!("networked-{}", SERVERS.fetch_add(1, Ordering::SeqCst)));
        // Makes the cluster; one that it serves itself is closed to the network.
        let made = cluster::start_on(folder.clone(), false, Vec::new()).await;
        made.stop().await.unwrap();
        let data = folder.join("postgres/data");
        let owner = data.metadata().unwrap();
        let put = |name: &str, content: &str| {
            let path = data.join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        };
        let mut settings =
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n"
                .to_owned();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        writeln!(settings, "port = {port}\nssl = {}", if with_tls { "on" } else { "off" }).unwrap();
        settings.push_str("ssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n");
        put("postgresql.conf", &settings);
        put("pg_hba.conf", WHO_MAY);
        put("server.pem", include_str!("tls/server.pem"));
        put("server.key", include_str!("tls/server.key"));
        let authority = folder.join("ca.pem");
        fs::write(&authority, include_str!("tls/ca.pem")).unwrap();

        let mut command = Command::new(find_binaries().unwrap().join("postgres"));
        if Uid::effective().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let process = command
            .current_dir("/")
            .arg("-D")
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, port, authority };
        server.until_it_answers().await;
        server
    }

    async fn until_it_answers(&self) {
        let mode = PgSslMode::Prefer;
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("postgres")
            .ssl_mode(mode);
        let options = options.database("postgres");
        while PgConnection::connect_with(&options).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql("create database encrypted").execute(&mut connection).await.unwrap();
    }
}

impl Drop for Networked {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGINT);
        let _ = self.process.wait();
    }
}
