//! The highest order id noted in each bucket. Ids of a bucket only grow, so a higher one needs no look into the database.

use doos_domain::ids::{BUCKET_COUNT, OrderId};

#[derive(Debug)]
pub(crate) struct NewestIds(Vec<u64>);

impl NewestIds {
    /// Nothing was noted above `newest`, in whatever bucket.
    pub fn starting_at(newest: u64) -> Self {
        Self(vec![newest; usize::from(BUCKET_COUNT)])
    }

    fn bucket(id: u64) -> usize {
        OrderId::new(id).map_or(0, |id| usize::from(id.bucket().get()))
    }

    pub fn note(&mut self, id: u64) {
        let newest = &mut self.0[Self::bucket(id)];
        *newest = id.max(*newest);
    }

    pub fn is_certainly_new(&self, id: u64) -> bool {
        id > self.0[Self::bucket(id)]
    }
}
