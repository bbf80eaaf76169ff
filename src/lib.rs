//! receiptd: submits batches of SMS and RCS and records what became of every single message.
//!
//! Two ways through the house, each in one direction: a batch goes out (`http → submit → store → provider`), a
//! receipt comes in (`http → receive → store`). Every source of receipts, the callback, a poll or a replay, goes
//! through the one room [`receive`].
//!
//! A room uses only rooms of a lower rank (`tests/it/layers.rs` holds it to that):
//!
//! | rank | room | holds |
//! | --- | --- | --- |
//! | 0 | [`domain`], [`secret`], `lock`, `loose` | the words of the trade and the rules as pure functions; what must not show; locks; JSON values of any type |
//! | 1 | [`clock`], [`metrics`], [`config`], [`api`] | the clock that is handed in; what is counted; the configuration; the JSON shapes of the REST API |
//! | 2 | [`store`], [`provider`], [`simulator`], [`client`], [`probe`], [`openapi`] | all the SQL; the provider's API, and a simulated provider that knows nothing of us; our own API from the caller's side; does the public URL lead home; the REST API described |
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
pub mod http;
mod lock;
mod loose;
pub mod metrics;
pub mod openapi;
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
