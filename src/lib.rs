//! receiptd: submits batches of SMS and RCS and records what became of every single message.
//!
//! Data takes two ways, each in one direction: a batch goes out (`http → submit → store → provider`), a receipt comes in
//! (`http → receive → store`). Every source of receipts, the callback, a poll or a replay, goes through the one module
//! [`receive`].
//!
//! A module uses only modules of a lower rank (`tests/it/layers.rs` checks it):
//!
//! | rank | modules | what they hold |
//! | --- | --- | --- |
//! | 0 | [`domain`] | the terms of the field as types, and the rules as pure functions |
//! | 0 | [`secret`], `durable`, `headers`, `lock`, `loose` | secrets that never show; files that are whole or not there; headers, locks and JSON of any type, as several modules read or take them |
//! | 1 | [`clock`], [`metrics`], [`config`], [`api`] | the clock that is handed in; what is counted; the configuration; the JSON shapes of the REST API |
//! | 2 | [`store`] | what is kept: the contract of a database engine, and in it SQLite, with all the SQL |
//! | 2 | [`provider`], [`simulator`] | the provider's API, and a simulated provider that knows nothing of us |
//! | 2 | [`client`], [`openapi`], [`probe`] | our own API from the caller's side; its description; whether the public URL reaches this daemon |
//! | 2 | [`pace`] | how long to wait after each failure in a row |
//! | 3 | [`receive`] | the one way in for receipts |
//! | 4 | [`submit`], [`reconcile`], [`retention`], [`codes`] | the workers and use cases over a store and a provider |
//! | 5 | [`http`] | both listeners |
//! | 6 | [`serve`] | the composition root |
//! | 7 | [`cli`] | arguments, tables, progress, exit codes |

#![forbid(unsafe_code)]

pub mod api;
pub mod cli;
pub mod client;
pub mod clock;
pub mod codes;
pub mod config;
pub mod domain;
mod durable;
mod headers;
pub mod http;
mod lock;
mod loose;
pub mod metrics;
pub mod openapi;
pub mod pace;
pub mod probe;
pub mod provider;
pub mod receive;
pub mod reconcile;
pub mod retention;
pub mod secret;
pub mod serve;
pub mod simulator;
pub mod store;
pub mod submit;
