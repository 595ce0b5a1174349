//! Processor time by process. Throughput depends on what else the machine does; what a request
//! costs hardly does.

use std::fs;

/// Hundredths of a second: what Linux counts in, whatever its clock does.
fn ticks(pid: u32) -> Option<(u32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some((u32::try_from(number(1)?).ok()?, number(11)? + number(12)?))
}

/// Seconds that a process has used.
pub fn of(pid: u32) -> f64 {
    ticks(pid).map_or(0.0, |(_, ticks)| seconds(ticks))
}

/// A process and all that it started, and so on.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> =
        processes().filter_map(|pid| Some((pid, ticks(pid)?.0))).collect();
    let mut found = vec![root];
    let mut place = 0;
    while let Some(parent) = found.get(place).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        place += 1;
    }
    found
}

/// Seconds that a process has used with all that it started and that still run.
pub fn of_tree(root: u32) -> f64 {
    tree(root).into_iter().map(of).sum()
}

/// Seconds that the processes of a PostgreSQL server have used, those that ended included.
pub fn of_server(postmaster: u32) -> f64 {
    let backends = processes()
        .filter_map(ticks)
        .filter(|(parent, _)| *parent == postmaster)
        .map(|(_, ticks)| ticks)
        .sum();
    seconds(backends) + waited_for(postmaster)
}

/// Seconds that this process has used with all those that it started and that have ended.
pub fn of_ours() -> f64 {
    let pid = std::process::id();
    of(pid) + waited_for(pid)
}

/// Seconds that all processes of the machine have used.
pub fn of_machine() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
    seconds([0, 1, 2, 5, 6, 7].iter().filter_map(|place| ticks.get(*place)).sum())
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Of children that have ended.
fn waited_for(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let number = |place: usize| {
        fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default()
    };
    seconds(number(13) + number(14))
}

fn seconds(ticks: u64) -> f64 {
    crate::load::precise(ticks) / 100.0
}
