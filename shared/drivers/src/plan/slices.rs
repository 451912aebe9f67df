use carillon_nouns::connection::Slice;

/// The slices of a lane, and the messages of the open batches of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slices {
    open: Vec<u64>,
}

impl Slices {
    /// A lane of `count` slices without open batches.
    pub fn new(count: u16) -> Self {
        Self { open: vec![0; usize::from(count.max(1))] }
    }

    /// Counts an open batch. The lane has at least as many slices as it had when the batch was
    /// made: the count falls only when all such batches are done, because only then do the
    /// slices that are left have the whole rate.
    pub fn add(&mut self, slice: Slice, messages: u32) {
        let count = usize::from(slice.of.max(slice.number + 1));
        if self.open.len() < count {
            self.open.resize(count, 0);
        }
        if let Some(open) = self.open.get_mut(usize::from(slice.number)) {
            *open += u64::from(messages);
        }
    }

    /// How many slices there are.
    pub fn count(&self) -> u16 {
        u16::try_from(self.open.len()).unwrap_or(u16::MAX)
    }

    /// The slice with the fewest open messages, for the next batch.
    pub fn next(&self) -> Slice {
        let numbered = (0..self.count()).zip(&self.open);
        let number = numbered.min_by_key(|(_, open)| **open).map_or(0, |(number, _)| number);
        Slice { number, of: self.count() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use carillon_nouns::connection::Lane;
    use proptest::prelude::*;

    use super::*;

    /// What happens to a lane.
    #[derive(Debug, Clone)]
    enum Step {
        /// The connection has another throughput.
        Throughput(u32),
        /// The planner makes batches of these sizes.
        Plan(Vec<u32>),
        /// The open batch of that index, modulo their number, is done.
        Done(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1u32..2_000).prop_map(Step::Throughput),
            prop::collection::vec(1u32..=250, 1..20).prop_map(Step::Plan),
            any::<usize>().prop_map(Step::Done),
        ];
        prop::collection::vec(step, 1..60)
    }

    /// The highest rate of all slices together, if each sends the open batch with which it may
    /// be fastest. Senders know the count that the planner set, and that of their batch.
    fn rate_of_all(throughput: u32, set: u16, open: &[Slice]) -> f64 {
        let mut rates = BTreeMap::<u16, f64>::new();
        for slice in open {
            let rate = Lane::Fast.slice_rate(throughput, slice.of.max(set));
            let known = rates.entry(slice.number).or_default();
            *known = known.max(rate);
        }
        rates.values().sum()
    }

    proptest! {
        #[test]
        fn the_slices_never_exceed_the_rate_of_their_lane(steps in steps()) {
            let (mut throughput, mut set, mut open) = (80, 1, Vec::<(Slice, u32)>::new());
            for step in steps {
                match step {
                    Step::Throughput(changed) => throughput = changed,
                    Step::Done(index) if !open.is_empty() => {
                        let index = index % open.len();
                        open.swap_remove(index);
                    }
                    Step::Done(_) => {}
                    Step::Plan(sizes) => {
                        let mut slices = Slices::new(Lane::Fast.slices(throughput));
                        for (slice, size) in &open { slices.add(*slice, *size); }
                        set = slices.count();
                        for size in sizes {
                            let slice = slices.next();
                            slices.add(slice, size);
                            open.push((slice, size));
                        }
                        prop_assert_eq!(slices.count(), set);
                    }
                }
                let all: Vec<_> = open.iter().map(|(slice, _)| *slice).collect();
                let (rate, most) = (rate_of_all(throughput, set, &all), Lane::Fast.rate(throughput));
                prop_assert!(rate <= most + 1e-9, "{rate} of {most} with {throughput}");
            }
        }

        #[test]
        fn batches_are_spread_evenly(count in 1u16..20, batches in 1u16..200) {
            let mut slices = Slices::new(count);
            for _ in 0..batches {
                slices.add(slices.next(), 250);
            }
            let most = slices.open.iter().max().copied().unwrap_or(0);
            prop_assert_eq!(most, u64::from(batches.div_ceil(count)) * 250);
        }
    }

    #[test]
    fn the_count_falls_when_the_batches_are_done() {
        let mut slices = Slices::new(1);
        slices.add(Slice { number: 8, of: 9 }, 250);
        assert_eq!((slices.count(), slices.next()), (9, Slice { number: 0, of: 9 }));
        assert_eq!(Slices::new(0).next(), Slice::WHOLE);
    }
}
