//! The services over a whole gateway, called as a client calls them.

mod devices;
mod messages;
mod proof;
mod shop;
