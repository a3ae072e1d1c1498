//! The services over a whole gateway, called as a client calls them.

mod customer;
mod devices;
mod late;
mod messages;
mod narrowed;
mod night;
mod policy;
mod proof;
mod providers;
mod push;
mod restricted;
mod shadow;
mod shop;
mod spelling;
mod standing;
mod wording;
