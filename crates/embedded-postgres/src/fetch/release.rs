//! What is fetched: one version of PostgreSQL, by the platforms that it is built for.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha512};

use super::FetchError;

pub(super) const VERSION: &str = "17.10.0-beta.17";
/// What its `postgres --version` says.
pub(super) const BANNER: &str = "postgres (PostgreSQL) 17.10";

#[derive(Debug)]
pub(super) struct Release {
    host: (&'static str, &'static str),
    platform: &'static str,
    pub megabytes: u32,
    /// What the binaries need from the system: a Linux without glibc's loader cannot run them.
    loader: &'static str,
    /// Of the tarball, in base64: the registry's `dist.integrity` without the name of the digest,
    /// computed again when the version was chosen.
    sha512: &'static str,
}

pub(super) const RELEASES: [Release; 4] = [
    Release {
        host: ("linux", "x86_64"),
        platform: "linux-x64",
        megabytes: 24,
        loader: "/lib64/ld-linux-x86-64.so.2",
        sha512: "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55Qcng\
                 eRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    },
    Release {
        host: ("linux", "aarch64"),
        platform: "linux-arm64",
        megabytes: 23,
        loader: "/lib/ld-linux-aarch64.so.1",
        sha512: "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9D\
                 kQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
    },
    Release {
        host: ("macos", "aarch64"),
        platform: "darwin-arm64",
        megabytes: 51,
        loader: "/",
        sha512: "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBe\
                 zk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
    },
    Release {
        host: ("macos", "x86_64"),
        platform: "darwin-x64",
        megabytes: 51,
        loader: "/",
        sha512: "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwly\
                 GmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
    },
];

impl Release {
    pub fn of(os: &str, arch: &str) -> Result<&'static Self, FetchError> {
        let runs = |it: &&Self| it.host == (os, arch) && Path::new(it.loader).exists();
        let platform = format!("this {os} on {arch}");
        let unsupported = FetchError::UnsupportedPlatform { platform };
        RELEASES.iter().find(runs).ok_or(unsupported)
    }

    pub fn package(&self) -> String {
        format!("@embedded-postgres/{}@{VERSION}", self.platform)
    }

    pub fn tarball(&self) -> String {
        format!("embedded-postgres-{}-{VERSION}.tgz", self.platform)
    }

    /// Names the platform too: a checkout on macOS is often mounted into a Linux container.
    pub fn home(&self, folder: &Path) -> PathBuf {
        folder.join(format!("postgres-{VERSION}-{}", self.platform))
    }

    pub fn check_integrity(&self, tarball: &[u8]) -> Result<(), FetchError> {
        let actual = STANDARD.encode(Sha512::digest(tarball));
        if actual == self.sha512 {
            return Ok(());
        }
        let expected = self.sha512.to_owned();
        Err(FetchError::Integrity { expected, actual })
    }
}
