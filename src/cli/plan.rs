//! Dividing a list of numbers into batches, always in the same way for the same list and id.

use crate::domain::{BatchId, Msisdn};

/// The planned batches.
pub(super) struct Plan {
    /// The id of the batch or the group.
    pub(super) id: BatchId,
    /// The number of distinct numbers.
    pub(super) total: usize,
    /// How many repeated numbers there are.
    pub(super) merged: usize,
    /// For a group, sorted and without repetitions. For a single batch, in the given order, because the daemon counts
    /// what it merges.
    numbers: Vec<Msisdn>,
    /// The number of destinations per batch, if it is a group.
    cut: Option<usize>,
}

impl Plan {
    /// Plans one batch if the list fits, otherwise a group: merged, sorted and divided, in this order.
    pub(super) fn new(id: BatchId, mut numbers: Vec<Msisdn>, most: usize) -> Self {
        let came = numbers.len();
        let most = most.max(1);
        if came <= most {
            let mut different = numbers.clone();
            different.sort_unstable();
            different.dedup();
            return Self { id, total: different.len(), merged: came - different.len(), numbers, cut: None };
        }
        numbers.sort_unstable();
        numbers.dedup();
        let total = numbers.len();
        Self { id, total, merged: came - total, numbers, cut: (total > most).then_some(most) }
    }

    /// The number of batches.
    pub(super) fn batches(&self) -> usize {
        self.cut.map_or(1, |most| self.numbers.len().div_ceil(most))
    }

    /// The group, if it is one.
    pub(super) fn group(&self) -> Option<BatchId> {
        self.cut.map(|_| self.id)
    }

    /// What the id identifies, in words.
    pub(super) fn what(&self) -> &'static str {
        if self.cut.is_some() { "group" } else { "batch" }
    }

    /// The id of a batch; in a group, the UUIDv5 of the group and the index.
    pub(super) fn batch(&self, index: usize) -> BatchId {
        if self.cut.is_some() { self.id.derive(&index.to_string()) } else { self.id }
    }

    /// All numbers without repetitions.
    pub(super) fn different(&self) -> Vec<Msisdn> {
        let mut numbers = self.numbers.clone();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// The numbers of a batch.
    pub(super) fn numbers(&self, index: usize) -> &[Msisdn] {
        match self.cut {
            None => &self.numbers,
            Some(most) => self.numbers.chunks(most).nth(index).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(digits: impl IntoIterator<Item = u64>) -> Vec<Msisdn> {
        digits.into_iter().map(|digits| Msisdn::from_digits(447_700_900_000 + digits).expect("a number")).collect()
    }

    fn id() -> BatchId {
        "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11".parse().expect("a uuid")
    }

    #[test]
    fn a_short_list_is_one_batch_under_the_id_itself() {
        let plan = Plan::new(id(), numbers([3, 1, 3]), 3);
        assert_eq!((plan.batches(), plan.group(), plan.batch(0)), (1, None, id()));
        assert_eq!((plan.total, plan.merged), (2, 1));
        assert_eq!(plan.numbers(0), numbers([3, 1, 3]), "the daemon counts what it merges");
    }

    #[test]
    fn a_long_list_that_fits_once_merged_is_one_batch() {
        let plan = Plan::new(id(), numbers([2, 1, 2, 1]), 3);
        assert_eq!((plan.batches(), plan.group(), plan.total, plan.merged), (1, None, 2, 2));
        assert_eq!(plan.numbers(0), numbers([1, 2]));
    }

    #[test]
    fn a_long_list_is_merged_sorted_and_cut_in_that_order() {
        let plan = Plan::new(id(), numbers([5, 1, 4, 2, 3, 5, 1]), 2);
        assert_eq!((plan.batches(), plan.group(), plan.total, plan.merged), (3, Some(id()), 5, 2));
        let cut: Vec<_> = (0..3).map(|index| plan.numbers(index).to_vec()).collect();
        assert_eq!(cut, [numbers([1, 2]), numbers([3, 4]), numbers([5])]);
    }

    #[test]
    fn the_same_list_in_another_order_makes_the_same_batches() {
        let (one, other) = (Plan::new(id(), numbers(0..10), 3), Plan::new(id(), numbers((0..10).rev().chain([4])), 3));
        assert_eq!(one.batches(), other.batches());
        for index in 0..one.batches() {
            assert_eq!(one.batch(index), other.batch(index));
            assert_eq!(one.numbers(index), other.numbers(index));
        }
    }

    #[test]
    fn the_ids_are_uuid_5_of_group_and_index() {
        let plan = Plan::new(id(), numbers(0..5), 2);
        for index in 0..3 {
            assert_eq!(plan.batch(index), uuid::Uuid::new_v5(id().as_uuid(), index.to_string().as_bytes()).into());
        }
    }
}
