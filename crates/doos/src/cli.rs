//! What the command line accepts. Global options may stand before or after the verb.

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use doos_node::archive::Month;
use doos_node::token::TTL_S;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::commands::bench::Bench;

#[derive(Parser)]
#[command(
    name = "doos",
    version,
    about = "An order back end that never oversells and never loses an acknowledged order"
)]
#[command(after_help = "Without a command, doos runs the whole system on embedded storage and prints what to open.\n\
    Exit codes: 0 done, 1 the check found something, 2 it could not be done.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// For the call without a verb.
    #[command(flatten)]
    pub bare: Serve,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Args, Clone, Debug)]
pub struct Global {
    /// YAML configuration file; environment (DOOS_…) and flags win over it
    #[arg(long, global = true, env = "DOOS_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything is kept; by default the user's data directory
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    #[arg(long, global = true, value_enum)]
    pub profile: Option<Profile>,
    /// Refuse calls without a bearer token, in profile dev too
    #[arg(long, global = true)]
    pub require_auth: bool,
    /// Form of the output, of every command
    #[arg(short, long, global = true, value_enum, default_value = "text")]
    pub output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Profile {
    Dev,
    Prod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the system (the same as no command), or some of its roles
    Serve(Serve),
    /// Print a bearer token, alone on standard output
    Token(Token),
    /// Check the disk, the clock, the limits, the ports, and what is insecure
    Doctor,
    /// Prove the books from the durable data; exit 1 with the differences if they do not balance
    Audit {
        /// Write the ledger entries that make them balance (the server must be stopped)
        #[arg(long)]
        repair: bool,
    },
    /// Copy a running or stopped system into an empty directory; start from the copy to restore
    Backup { dir: PathBuf },
    /// The tables of a cluster's databases
    #[command(subcommand)]
    Migrate(Migrate),
    /// The order shards of a cluster, and the buckets that move between them
    #[command(subcommand)]
    Shards(Shards),
    /// Put months away whose orders are all closed; they stay readable. Exit 1 with the reasons if one must wait
    Archive(Archive),
    /// Measure this system next to its yardsticks, and check its books afterwards
    Bench(Box<Bench>),
    /// Statistics and search next to the orders they are computed from, by the running server
    #[command(subcommand)]
    Projections(Projections),
    /// Dead letters: messages that could not be handled
    #[command(subcommand)]
    Dlq(Dlq),
    /// The journal's segments and groups; exit 1 if something in them does not hold
    #[command(subcommand)]
    Journal(Journal),
    /// The configuration in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What an error code means and what to do
    Explain { code: String },
    /// Print the interface description (OpenAPI)
    Openapi,
}

#[derive(Args, Default)]
pub struct Serve {
    /// Roles to run, by comma; all by default
    #[arg(long, value_delimiter = ',')]
    pub roles: Vec<String>,
    /// Pay and deliver orders by itself, to watch their life
    #[arg(long)]
    pub demo_life: bool,
    /// Start without the demo catalogue
    #[arg(long)]
    pub empty: bool,
    /// Cut a damaged journal where the damage begins, losing what comes after it
    #[arg(long)]
    pub accept_loss: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Who {
    /// A customer, by number
    #[arg(long)]
    pub user: Option<u64>,
    /// A service, by name
    #[arg(long)]
    pub service: Option<String>,
    /// An operator, by name
    #[arg(long)]
    pub operator: Option<String>,
}

#[derive(Args)]
pub struct Token {
    #[command(flatten)]
    pub who: Who,
    /// How long it is valid, 1 to 31536000 seconds (365 days); by default auth.token_ttl_s
    #[arg(long, visible_alias = "ttl", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(TTL_S))]
    pub ttl_s: Option<u64>,
}

#[derive(Clone, Copy, Subcommand)]
pub enum Migrate {
    /// What `up` would do; exit 1 if there is something to do
    Plan,
    /// Make missing databases, bring all of them up to date, deal out the buckets of a new cluster
    Up,
    /// Where every database stands; exit 1 unless all are up to date
    Status,
}

#[derive(Subcommand)]
pub enum Projections {
    /// Compare them with the orders; exit 1 with the differences if they are not equal
    Compare,
    /// Fill them anew beside what is read, take its place when every order is in, and compare
    Rebuild {
        /// Wait for so long until they are filled; they go on without this command
        #[arg(long, default_value_t = 3_600, value_name = "SECONDS")]
        within_s: u64,
    },
}

#[derive(Subcommand)]
pub enum Shards {
    /// Make a shard of database.shards ready to take buckets: its settings are checked, its tables are made
    Add {
        /// Its address, as it stands in database.shards
        #[arg(value_name = "DSN", required_unless_present = "index", conflicts_with = "index")]
        address: Option<String>,
        /// Its number in database.shards, from 0
        #[arg(long, value_name = "N")]
        index: Option<usize>,
    },
    /// Move buckets to another shard while the system runs; what was cut off is gone on with by --resume
    Move(MoveBuckets),
    /// What every shard has, and the moves that are open
    Status,
}

#[derive(Args)]
#[command(group(ArgGroup::new("which").required(true).args(["buckets", "count", "balance", "resume", "cancel"])))]
pub struct MoveBuckets {
    /// Number of the shard that the buckets go to
    #[arg(long, value_name = "N", required_unless_present_any = ["resume", "cancel"], conflicts_with_all = ["resume", "cancel"])]
    pub to: Option<usize>,
    /// These buckets: 0-511, or 3,5,7-9
    #[arg(long, value_name = "A-B", value_parser = buckets)]
    pub buckets: Option<Buckets>,
    /// So many, from the fullest shards
    #[arg(long, value_name = "K")]
    pub count: Option<usize>,
    /// As many as make the shard as full as the others
    #[arg(long)]
    pub balance: bool,
    /// Go on with a move that was cut off
    #[arg(long)]
    pub resume: bool,
    /// Give up what is open and not switched yet: its buckets stay where they are
    #[arg(long)]
    pub cancel: bool,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group(ArgGroup::new("months").required(true).args(["before", "month"])))]
pub struct Archive {
    /// All months before this one
    #[arg(long, value_name = "YYYY-MM")]
    pub before: Option<Month>,
    /// This month alone
    #[arg(long, value_name = "YYYY-MM")]
    pub month: Option<Month>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    #[command(subcommand)]
    pub verb: Option<ArchiveVerb>,
}

#[derive(Clone, Copy, Subcommand)]
pub enum ArchiveVerb {
    /// What has been put away
    Status,
}

/// Numbers of buckets, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets(pub Vec<u16>);

fn buckets(text: &str) -> Result<Buckets, String> {
    let number = |text: &str| text.trim().parse::<u16>().map_err(|_| format!("`{text}` is not the number of a bucket"));
    let mut found = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("`{part}` ends before it begins"));
        }
        found.extend(first..=last);
    }
    Ok(Buckets(found.into_iter().collect()))
}

#[derive(Subcommand)]
pub enum Dlq {
    List,
    Show {
        id: String,
    },
    /// Put a letter back in line
    Replay {
        id: String,
    },
    /// Give a letter up for good
    Discard {
        id: String,
    },
}

#[derive(Subcommand)]
pub enum Journal {
    Inspect {
        /// Segment files to look at; all by default
        segments: Vec<String>,
    },
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Every value with where it came from
    Print {
        /// What is set for the whole cluster instead
        #[arg(long)]
        live: bool,
    },
    /// Set a live value for the whole cluster: log.level, and the rates of the gateways
    Set { key: String, value: String },
    /// Give a live value back to each process's own configuration
    Unset { key: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_numbers_and_ranges() {
        assert_eq!(buckets("3,5,7-9,8").unwrap().0, [3, 5, 7, 8, 9]);
        assert_eq!(buckets("7").unwrap().0, [7]);
        for wrong in ["", "a", "3-", "9-7", "-1", "70000"] {
            assert!(buckets(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_archive_names_its_months_or_asks_how_it_stands() {
        let parse = |rest: &str| Cli::try_parse_from(["doos", "archive"].into_iter().chain(rest.split(' '))).is_ok();
        assert!(parse("--before 2026-09") && parse("--month 2026-09 --dry-run") && parse("status"));
        assert!(!parse("--dry-run") && !parse("--before 2026-09 --month 2026-08"));
        assert!(!parse("--before 2026-9") && !parse("--before 2026-09 status"));
    }

    #[test]
    fn a_move_names_where_to_and_what_or_goes_on_with_one() {
        let parse =
            |rest: &str| Cli::try_parse_from(["doos", "shards", "move"].into_iter().chain(rest.split(' '))).is_ok();
        assert!(parse("--to 2 --balance") && parse("--to 2 --count 5") && parse("--to 2 --buckets 1-3"));
        assert!(parse("--resume"));
        assert!(!parse("--to 2") && !parse("--balance") && !parse("--to 2 --resume"));
        assert!(!parse("--to 2 --balance --count 5"));
    }
}
