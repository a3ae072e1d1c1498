//! Repeated fields: how many, each one read under its index, none twice.

use std::collections::BTreeSet;

use super::Fields;

impl Fields {
    /// A list of so many items, each read under its own path.
    pub fn each<W, T>(
        &mut self,
        field: &str,
        items: Vec<W>,
        count: std::ops::RangeInclusive<usize>,
        mut read: impl FnMut(&mut Fields, W) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (least, most, given) = (*count.start(), *count.end(), items.len());
        if given < least && given == 0 {
            return self.refuse(field, "is required");
        }
        if !count.contains(&given) {
            return self.refuse(field, format!("must be {least} to {most} items, not {given}"));
        }
        // All items are read before the first bad one decides, so that each is named.
        let read: Vec<Option<T>> = items
            .into_iter()
            .enumerate()
            .map(|(i, item)| self.within(&format!("{field}[{i}]"), |f| read(f, item)))
            .collect();
        read.into_iter().collect()
    }

    /// Notes every item that stands there a second time.
    pub fn no_repeats<T: Ord>(&mut self, field: &str, items: impl IntoIterator<Item = T>) -> Option<()> {
        let mut seen = BTreeSet::new();
        let mut repeated = false;
        for (i, item) in items.into_iter().enumerate() {
            if !seen.insert(item) {
                self.bad(&format!("{field}[{i}]"), "stands there twice");
                repeated = true;
            }
        }
        (!repeated).then_some(())
    }
}
