//! The program from outside: real sockets, real files, and a simulator in the provider's place.

mod binary;
mod clients;
mod codes;
mod commands;
mod config;
mod crash;
mod damage;
mod doctor;
mod file;
mod histories;
mod keeping;
mod layers;
mod metrics;
mod openapi;
mod pacing;
mod provider;
mod receiving;
mod reconciling;
mod secrecy;
mod sending;
mod storage;
mod story;
mod stream;
mod submission;
mod support;
mod watching;
