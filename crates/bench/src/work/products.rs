//! Which product an order is for: one, or many of which a few are bought most (Zipf's law).

/// Products by falling popularity; the one at rank r is bought in proportion to 1/r.
#[derive(Clone, Debug)]
pub struct Products {
    ids: Vec<u64>,
    /// Up to each rank, the share of all purchases.
    up_to: Vec<f64>,
}

impl Products {
    pub fn zipf(ids: Vec<u64>) -> Self {
        assert!(!ids.is_empty(), "an order needs a product");
        let weights: Vec<f64> = (1..=ids.len()).map(|rank| 1.0 / rank as f64).collect();
        let whole: f64 = weights.iter().sum();
        let up_to = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight / whole;
            Some(*sum)
        });
        Self { up_to: up_to.collect(), ids }
    }

    pub fn one(id: u64) -> Self {
        Self::zipf(vec![id])
    }

    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The product for a number drawn evenly from 0 to 1.
    pub fn pick(&self, drawn: f64) -> u64 {
        let rank = self.up_to.partition_point(|share| *share <= drawn);
        self.ids[rank.min(self.ids.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_bought_in_proportion_to_one_over_their_rank() {
        let products = Products::zipf(vec![10, 20, 30, 40]);
        let draws = 120_000;
        let count =
            |id| (0..draws).filter(|draw| products.pick(f64::from(*draw) / f64::from(draws)) == id).count() as f64;
        let first = count(10);
        for (rank, id) in [(2.0, 20), (3.0, 30), (4.0, 40)] {
            assert!((first / count(id) - rank).abs() < 0.01, "rank {rank}");
        }
    }

    #[test]
    fn the_edges_of_the_draw_are_products_too() {
        let products = Products::zipf(vec![1, 2, 3]);
        assert_eq!((products.pick(0.0), products.pick(0.999_999_999), products.pick(1.0)), (1, 3, 3));
        assert_eq!(Products::one(7).pick(0.5), 7);
    }
}
