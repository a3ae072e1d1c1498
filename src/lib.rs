//! Consentry: a compliance-first SMS and push gateway.
//!
//! Nothing reaches a provider unless a recorded, replayable decision allowed it at that instant.
//! The folders follow the life of one message; each level may use those above it in this list:
//!
//! | level | modules | what |
//! |---|---|---|
//! | 0 | [`model`] | nouns: ids, instants, subjects, messages, verdicts |
//! | 1 pure | [`policy`], [`decide`], [`consent`], [`content`], [`place`], the pure files of [`ledger`] | arguments in, values out |
//! | 2 ports | [`clock`], [`entropy`], [`disk`], the traits of [`store`] and [`provider`] | the only doors out |
//! | 3 adapters | `store::kv::*`, `provider::*` | one file an engine or vendor |
//! | 4 edges | [`writer`], [`dispatch`], [`inbound`], [`redirect`], [`api`], [`export`], [`erasure`], [`feed`], [`tiles`], [`anchor`], [`sandbox`] | runtime, sockets |
//! | 5 wiring | [`cli`], [`config`], [`gateway`] | one process from one file |
#![forbid(unsafe_code)]

pub mod anchor;
pub mod api;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod consent;
pub mod content;
pub mod decide;
pub mod disk;
pub mod dispatch;
pub mod entropy;
pub mod erasure;
pub mod export;
pub mod feed;
pub mod gateway;
pub mod inbound;
pub mod ledger;
pub mod model;
pub mod pb;
pub mod place;
pub mod policy;
pub mod provider;
pub mod redirect;
pub mod sandbox;
pub mod serve;
pub mod store;
pub mod telemetry;
pub mod tiles;
pub mod tls;
pub mod web;
pub mod writer;
