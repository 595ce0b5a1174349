//! How long the service takes to be ready, with the PostgreSQL that it brings.

use anyhow::Result;
use serde::Serialize;

use crate::children::{Serving, Site, clean, free_address};

/// Seconds from the start of the process to the first 200 of `/readyz`.
#[derive(Debug, Serialize)]
pub struct Starts {
    /// On an empty folder: the cluster is made, the schema, the demo.
    pub first: f64,
    pub later: Vec<f64>,
}

pub async fn measure(site: &Site, times: u32) -> Result<Starts> {
    eprintln!("starting the service with its own PostgreSQL, {} times", times + 1);
    let first = once(site).await?;
    let mut later = Vec::new();
    for _ in 0..times {
        later.push(once(site).await?);
    }
    Ok(Starts { first, later })
}

async fn once(site: &Site) -> Result<f64> {
    let address = free_address()?;
    let mut command = clean(&site.service);
    command
        .arg("serve")
        .env("BAILIWICK_LISTEN", address.to_string())
        .env("BAILIWICK_METRICS_LISTEN", "off");
    command.env("BAILIWICK_DATA_DIR", site.folder.join("own"));
    let serving = Serving::start(site, command, address, ("/readyz", 200)).await?;
    let ready = serving.ready_after.as_secs_f64();
    serving.stop().await?;
    Ok(ready)
}
