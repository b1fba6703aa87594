//! A fixed number of slices of time that get longer as time goes on.

use serde::{Deserialize, Serialize};

/// Lengths of a slice in milliseconds: each divides the next, so that slices are joined without loss. Lengths that a
/// person thinks in, and never a fraction of the minute in which rollouts come.
const LENGTHS: [u64; 18] = [
    10,
    20,
    100,
    200,
    1_000,
    2_000,
    10_000,
    30_000,
    60_000,
    120_000,
    600_000,
    1_800_000,
    3_600_000,
    7_200_000,
    14_400_000,
    43_200_000,
    86_400_000,
    172_800_000,
];

/// What stands in a slice.
pub(super) trait Slice: Default {
    /// Takes in what happened in another slice.
    fn add(&mut self, other: Self);
}

/// At most `capacity` slices, from the begin of the run on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Timeline<T> {
    slice_ms: u64,
    capacity: usize,
    slices: Vec<T>,
}

impl<T: Slice> Timeline<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            slice_ms: LENGTHS[0],
            capacity,
            slices: Vec::new(),
        }
    }

    pub(super) fn slice_ms(&self) -> u64 {
        self.slice_ms
    }

    pub(super) fn slices(&self) -> &[T] {
        &self.slices
    }

    /// The slice at a moment, in milliseconds of the run.
    pub(super) fn at(&mut self, now_ms: u64) -> &mut T {
        let mut index = self.index(now_ms);
        while index >= self.capacity {
            self.lengthen();
            index = self.index(now_ms);
        }
        if index >= self.slices.len() {
            self.slices.resize_with(index + 1, T::default);
        }
        &mut self.slices[index]
    }

    fn index(&self, now_ms: u64) -> usize {
        usize::try_from(now_ms / self.slice_ms).unwrap_or(usize::MAX)
    }

    fn lengthen(&mut self) {
        let longer = LENGTHS.into_iter().find(|length| *length > self.slice_ms);
        // Behind the end of the table a slice is so many days that doubling serves.
        self.lengthen_to(longer.unwrap_or(self.slice_ms.saturating_mul(2)));
    }

    fn lengthen_to(&mut self, slice_ms: u64) {
        let group = usize::try_from(slice_ms / self.slice_ms).unwrap_or(usize::MAX);
        let mut joined: Vec<T> = Vec::new();
        for (index, slice) in std::mem::take(&mut self.slices).into_iter().enumerate() {
            match joined.last_mut() {
                Some(last) if index % group != 0 => last.add(slice),
                _ => joined.push(slice),
            }
        }
        self.slice_ms = slice_ms;
        self.slices = joined;
    }

    /// Makes slices at least this long.
    pub(super) fn coarsen(&mut self, slice_ms: u64) {
        while self.slice_ms < slice_ms {
            self.lengthen();
        }
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        self.coarsen(other.slice_ms);
        other.coarsen(self.slice_ms);
        for (index, slice) in other.slices.into_iter().enumerate() {
            let index = u64::try_from(index).unwrap_or(u64::MAX);
            self.at(index.saturating_mul(other.slice_ms)).add(slice);
        }
    }
}
