//! What things take in a cache, in bytes: rather too much than too little, since the sum is what
//! keeps a node's memory bounded.

use std::collections::BTreeMap;

/// What a cache takes for an entry beside key and value: its table's slot, its queues' nodes, its
/// clocks. With it, the smallest navigation weighs 1,042 bytes; it was measured to take 987.
const ENTRY: usize = 768;
/// An allocation's own header and rounding.
const ALLOCATION: usize = 32;

/// An entry whose key and value take so much.
pub fn entry(bytes: usize) -> u32 {
    u32::try_from(ENTRY + bytes).unwrap_or(u32::MAX)
}

/// A text on the heap; what points to it is its owner's.
pub fn text(text: &str) -> usize {
    bytes(text.as_bytes())
}

pub fn bytes(bytes: &[u8]) -> usize {
    bytes.len() + ALLOCATION
}

pub fn texts<'a>(all: impl IntoIterator<Item = &'a String>) -> usize {
    all.into_iter().map(|one| size_of::<String>() + text(one)).sum()
}

/// A map of small values. Its nodes are at worst half empty.
pub fn map<V>(map: &BTreeMap<String, V>) -> usize {
    map.keys().map(|key| text(key) + 2 * size_of::<(String, V)>()).sum::<usize>() + ALLOCATION
}
