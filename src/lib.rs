//! Bailiwick: the tenancy and access backbone of multi-tenant applications.
//!
//! A reader's way in, from below to above: `kernel` holds what everything stands on; `access` the
//! access model, pure and without a database; `context` turns a request into somebody who may do
//! something, and decides 401, 403 and 404; `http` is what every request goes through and `openapi`
//! the document. Above them stand the rooms of the product, each a folder of slices with their
//! routes and their SQL: `identity`, `tenancy`, `platform`, and the built-in `features`. `assembly`
//! is the one file that knows them all. `docs/architecture.md` tells the whole story, and
//! `docs/words.md` says in a line what each word means.

#![forbid(unsafe_code)]

pub mod access;
pub mod assembly;
pub mod cli;
pub mod context;
pub mod features;
pub mod http;
pub mod identity;
pub mod kernel;
pub mod openapi;
pub mod platform;
pub mod seeds;
pub mod tenancy;
