//! The audit of the books and their repair, as the node hands them over and as clients see them.

use serde::Serialize;
use utoipa::ToSchema;

/// What an audit has found.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = AuditReport)]
pub struct AuditView {
    /// The journal's position that everything is of; 0 in a cluster, whose databases have no common instant.
    pub cut: u64,
    pub products: u64,
    pub orders: u64,
    pub messages_in_flight: u64,
    /// All of them; 0 means that the books balance.
    pub differences_found: u64,
    /// The first thousand.
    pub differences: Vec<DifferenceView>,
}

/// One thing that does not add up.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditDifference)]
pub struct DifferenceView {
    #[schema(example = "product 101")]
    pub subject: String,
    #[schema(example = "stock_row_equals_movements")]
    pub rule: String,
    pub found: String,
}

/// What a repair did, or would do.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = AuditRepair)]
pub struct RepairView {
    /// False for a dry run.
    pub confirmed: bool,
    pub steps: Vec<RepairStepView>,
    /// Of the time after the repair; of a dry run, what the steps are made from.
    pub report: AuditView,
}

/// One entry in the ledger that makes the books balance.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditRepairStep)]
pub struct RepairStepView {
    #[schema(example = "product 101")]
    pub subject: String,
    pub outcome: StepOutcome,
    /// What was or would be done, or why it was not.
    pub told: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    Planned,
    Done,
    /// Nothing was changed.
    Skipped,
}
