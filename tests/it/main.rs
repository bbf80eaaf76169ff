//! The program from outside: real sockets, real files, and a simulator in the provider's place.

mod config;
mod file;
mod keeping;
mod layers;
mod provider;
mod receiving;
mod reconciling;
mod story;
mod stream;
mod submission;
mod support;
