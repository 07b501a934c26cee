//! The scenarios by name, and what each of them is.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Read,
    Connections,
    Place,
    Hot,
    Soldout,
    Flash,
    Mixed,
    Keys,
    Grpc,
    GrpcBulk,
    Life,
    Delivered,
    SlowDisk,
    Ids,
    Overload,
    Growth,
}

impl Scenario {
    /// In the order in which a whole run goes through them.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::Connections,
        Self::Place,
        Self::Hot,
        Self::Soldout,
        Self::Flash,
        Self::Mixed,
        Self::Keys,
        Self::Grpc,
        Self::GrpcBulk,
        Self::Life,
        Self::Delivered,
        Self::SlowDisk,
        Self::Ids,
        Self::Overload,
        Self::Growth,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Connections => "connections",
            Self::Place => "place",
            Self::Hot => "hot",
            Self::Soldout => "soldout",
            Self::Flash => "flash",
            Self::Mixed => "mixed",
            Self::Keys => "keys",
            Self::Grpc => "grpc",
            Self::GrpcBulk => "grpc-bulk",
            Self::Life => "life",
            Self::Delivered => "delivered",
            Self::SlowDisk => "slow-disk",
            Self::Ids => "ids",
            Self::Overload => "overload",
            Self::Growth => "growth",
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::Read => "read one order at a time, out of many",
            Self::Connections => "read with 500 connections, and with 10,000 idle ones beside",
            Self::Place => "place orders on many products (Zipf), at full and at half load; the raw stores",
            Self::Hot => "place orders on one product, next to many",
            Self::Soldout => "ask for a product that is sold out",
            Self::Flash => "50,000 buyers (--count) for 1,000 units",
            Self::Mixed => "read four times, place once",
            Self::Keys => "place with keys, 5 % of the calls repeated",
            Self::Grpc => "place over gRPC, one call an order",
            Self::GrpcBulk => "place 200,000 orders (--count) over gRPC streams",
            Self::Life => "place until confirmed: sustained with a flat backlog, then the time it takes at half load",
            Self::Delivered => "the full life: place, pay, ship, deliver, with a flat backlog",
            Self::SlowDisk => "place with 256 connections while each sync takes 1 ms more",
            Self::Ids => "order ids, on all buckets and on one",
            Self::Overload => "three times what can be served, then back to normal",
            Self::Growth => "rates, latency, memory and start time as the store grows to --orders",
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
