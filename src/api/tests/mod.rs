//! The services over a whole gateway, called as a client calls them.

mod messages;
mod proof;
mod shop;
