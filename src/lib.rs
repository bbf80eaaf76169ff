//! receiptd: submits SMS and RCS batches to the provider and records the delivery receipt of every message.
//!
//! Data flows along two paths, each in one direction: a batch goes out (`http → submit → store → provider`), and a
//! receipt comes in (`http → receive → store`). Every receipt goes through the module [`receive`], whether it came by
//! callback, by poll or by replay.
//!
//! A module uses only modules of a lower rank (`tests/it/layers.rs` enforces this):
//!
//! | rank | modules | contents |
//! | --- | --- | --- |
//! | 0 | [`domain`] | the terms of the field as types, and the rules as pure functions |
//! | 0 | [`secret`], `durable`, `headers`, `lock`, `loose`, `tls` | secrets that never print; crash-safe files; HTTP headers, locks, loosely typed JSON and trusted certificates, shared by several modules |
//! | 1 | [`clock`], [`metrics`], [`config`], [`api`] | the injected clock; the metrics; the configuration; the JSON types of the REST API |
//! | 2 | [`store`] | storage: the interface of a database engine, and SQLite behind it, with all the SQL |
//! | 2 | [`provider`], [`simulator`] | a client of the provider's API; a simulated provider that uses nothing of the daemon |
//! | 2 | [`client`], [`openapi`], [`probe`] | a client of our own API; its OpenAPI document; a check that the public URL reaches this daemon |
//! | 2 | [`pace`] | growing delays after failures in a row |
//! | 3 | [`receive`] | the only way in for receipts |
//! | 4 | [`submit`], [`reconcile`], [`retention`], [`codes`] | the workers and use cases on top of a store and a provider |
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
mod tls;
