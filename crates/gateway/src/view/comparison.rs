//! The read models next to the orders they are computed from, as clients see it.

use doos_app::comparing::{Comparison, Sums};
use serde::Serialize;
use utoipa::ToSchema;

/// Every read model compared with the orders.
#[derive(Serialize, ToSchema)]
#[schema(as = ComparisonList)]
pub struct ComparisonListView {
    /// Whether all of them are equal to the orders.
    pub equal: bool,
    pub projections: Vec<ComparisonView>,
}

/// One read model compared with the orders.
#[derive(Serialize, ToSchema)]
#[schema(as = Comparison)]
pub struct ComparisonView {
    #[schema(example = "search")]
    pub name: &'static str,
    pub equal: bool,
    /// It has begun anew and is being filled; what is read meanwhile was compared.
    pub filling: bool,
    /// Orders in the store.
    pub orders: u64,
    /// Orders in the read model.
    pub held: u64,
    /// Orders that it lacks.
    pub missing: u64,
    /// Orders that it has in an older version.
    pub behind: u64,
    /// Orders that it has in a version that the store does not know.
    pub ahead: u64,
    /// At least so many orders in it that the store does not have.
    pub surplus: u64,
    /// The first orders that are different.
    pub order_ids: Vec<String>,
    /// `none` where it keeps none, `equal`, `different`, or `moving`: orders have changed meanwhile, so that the sums
    /// could not be compared.
    #[schema(example = "equal")]
    pub sums: &'static str,
    pub sums_compared: usize,
    pub sums_different: usize,
    /// The first sums that are different, in words.
    pub differences: Vec<String>,
}

impl ComparisonListView {
    pub fn of(compared: &[Comparison]) -> Self {
        Self {
            equal: compared.iter().all(Comparison::is_equal),
            projections: compared.iter().map(ComparisonView::of).collect(),
        }
    }
}

impl ComparisonView {
    fn of(compared: &Comparison) -> Self {
        let (sums, sums_compared, sums_different, differences) = match &compared.sums {
            Sums::None => ("none", 0, 0, Vec::new()),
            Sums::Equal(count) => ("equal", *count, 0, Vec::new()),
            Sums::Different(compared, count, named) => ("different", *compared, *count, named.clone()),
            Sums::Moving => ("moving", 0, 0, Vec::new()),
        };
        Self {
            name: compared.name,
            equal: compared.is_equal(),
            filling: compared.is_filling,
            orders: compared.orders,
            held: compared.held,
            missing: compared.missing,
            behind: compared.behind,
            ahead: compared.ahead,
            surplus: compared.surplus,
            order_ids: compared.named.iter().map(ToString::to_string).collect(),
            sums,
            sums_compared,
            sums_different,
            differences,
        }
    }
}
