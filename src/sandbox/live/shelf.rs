//! What the shop remembers of its carts: whose they are and what lies in them.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::model::CartId;

/// Carts remembered; older ones are shown without their item.
const CARTS_MAX: usize = 1_000;

/// One cart's memory.
#[derive(Clone)]
pub(super) struct Kept {
    /// The phone of its owner, E.164.
    pub phone: String,
    pub item: String,
    pub redeemed: Option<String>,
}

/// Carts, oldest first.
#[derive(Default)]
pub(super) struct Shelf(Mutex<VecDeque<(CartId, Kept)>>);

impl Shelf {
    pub fn put(&self, id: CartId, kept: Kept) {
        let mut carts = self.0.lock();
        if carts.len() >= CARTS_MAX {
            carts.pop_front();
        }
        carts.push_back((id, kept));
    }

    pub fn get(&self, id: &CartId) -> Option<Kept> {
        self.0.lock().iter().rev().find(|(known, _)| known == id).map(|(_, kept)| kept.clone())
    }

    pub fn redeemed(&self, id: &CartId, code: String) {
        if let Some((_, kept)) = self.0.lock().iter_mut().rev().find(|(known, _)| known == id) {
            kept.redeemed = Some(code);
        }
    }

    pub fn newest(&self, limit: usize) -> Vec<CartId> {
        self.0.lock().iter().rev().take(limit).map(|(id, _)| id.clone()).collect()
    }
}
