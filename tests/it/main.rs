//! The program from outside: real sockets, real files, and a simulator in the provider's place.

mod binary;
mod clients;
mod config;
mod crash;
mod damage;
mod deploy;
mod docs;
mod file;
mod histories;
mod keeping;
mod layers;
mod metrics;
mod openapi;
mod pacing;
mod provider;
mod proxies;
mod receiving;
mod reconciling;
mod restart;
mod secrecy;
mod sending;
mod storage;
mod story;
mod stream;
mod submission;
mod support;
