//! The scenarios by name, and what each of them is.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Read,
    Place,
    Hot,
    Soldout,
    Flash,
    Mixed,
    Keys,
    Grpc,
    GrpcBulk,
    Life,
    Overload,
}

impl Scenario {
    /// In the order in which a whole run goes through them.
    pub const ALL: [Self; 11] = [
        Self::Read,
        Self::Place,
        Self::Hot,
        Self::Soldout,
        Self::Flash,
        Self::Mixed,
        Self::Keys,
        Self::Grpc,
        Self::GrpcBulk,
        Self::Life,
        Self::Overload,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Place => "place",
            Self::Hot => "hot",
            Self::Soldout => "soldout",
            Self::Flash => "flash",
            Self::Mixed => "mixed",
            Self::Keys => "keys",
            Self::Grpc => "grpc",
            Self::GrpcBulk => "grpc-bulk",
            Self::Life => "life",
            Self::Overload => "overload",
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::Read => "read one order at a time, out of many",
            Self::Place => "place orders on many products (Zipf), at full and at half load",
            Self::Hot => "place orders on one product, next to many",
            Self::Soldout => "ask for a product that is sold out",
            Self::Flash => "50,000 buyers (--count) for 1,000 units",
            Self::Mixed => "read four times, place once",
            Self::Keys => "place with keys, 5 % of the calls repeated",
            Self::Grpc => "place over gRPC, one call an order",
            Self::GrpcBulk => "place 200,000 orders (--count) over gRPC streams",
            Self::Life => "place until confirmed: sustained with a flat backlog, then the time it takes at half load",
            Self::Overload => "three times what can be served, then back to normal",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_found_by_its_name_once() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::find(scenario.name()), Some(scenario));
            assert_eq!(Scenario::ALL.iter().filter(|other| **other == scenario).count(), 1);
        }
        assert_eq!(Scenario::find("everything"), None);
    }
}
