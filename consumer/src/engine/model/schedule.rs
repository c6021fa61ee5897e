//! How schedules are drawn: what happens often, what rarely, and how many there are.

use proptest::prelude::*;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, RngSeed, TestRng, TestRunner,
};

use super::tasks::Fate;

const STEPS_MAX: usize = 70;

/// One step of a schedule. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A record comes into the log.
    Produce {
        partition: u8,
        fact: Produced,
    },
    /// An owner folds what is there, flushes and saves it, and nothing goes wrong.
    Work {
        owner: u8,
    },
    Poll {
        owner: u8,
        partition: u8,
        n: u8,
    },
    Flush {
        owner: u8,
        fate: Fate,
        visits: bool,
    },
    Checkpoint {
        owner: u8,
        fate: Fate,
        snapshot: u8,
    },
    Settle {
        owner: u8,
    },
    Load {
        owner: u8,
    },
    /// The group gives a partition to another owner; who had it hands it back if it can.
    Assign {
        owner: u8,
        partition: u8,
        handover: Handover,
    },
    /// An owner is told what it lost.
    Tell {
        owner: u8,
    },
    /// Both stop and go on.
    Pause {
        owner: u8,
    },
    Crash {
        owner: u8,
    },
    Jump {
        owner: u8,
        partition: u8,
        by: i8,
    },
    /// A request arrives late.
    Arrive {
        which: u8,
    },
    Wipe,
    SaveRedis,
    RestartRedis,
    EvictHeader {
        partition: u8,
    },
    EvictMap {
        partition: u8,
        is_sensors: bool,
    },
    BackUpPostgres,
    RestorePostgres,
    /// Postgres answers nobody for so many atoms.
    PostgresAway {
        atoms: u8,
    },
    /// From now on this becomes of commits to Kafka.
    Commits {
        fate: Fate,
    },
}

/// How a partition goes from one owner to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handover {
    /// Atoms that the one who hands it back does before each deadline.
    pub(super) patience: (u8, u8),
    /// What becomes of them.
    pub(super) fate: Fate,
    /// What becomes of the first request of the one who takes it over.
    pub(super) acquired: Fate,
}

impl Handover {
    /// Nothing is handed back, and nothing goes wrong.
    pub(super) const PLAIN: Self = Self {
        patience: (0, 0),
        fate: Fate::Fine,
        acquired: Fate::Fine,
    };
}

/// What is produced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Produced {
    /// A new event, this long ago.
    New {
        device: u8,
        ago: u8,
    },
    /// An event that is in the log already.
    Again {
        which: u8,
    },
    /// The clock goes on by so much.
    Tick {
        after: u8,
    },
    Junk,
    Poison,
}

/// How many schedules a test runs.
pub(super) fn schedules(usual: u32) -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the size of a test, not a setting of the product"
    )]
    let wanted = std::env::var("FOOTFALL_MODEL_SCHEDULES");
    wanted.map_or(usual, |n| {
        n.parse().expect("FOOTFALL_MODEL_SCHEDULES is a number")
    })
}

/// A runner of new schedules every time, which keeps what failed; or of the same ones, which keeps nothing.
pub(super) fn runner(cases: u32, is_new: bool) -> TestRunner {
    let mut config = Config {
        cases,
        source_file: Some(file!()),
        failure_persistence: None,
        ..Config::default()
    };
    if is_new {
        config.failure_persistence =
            Some(Box::new(FileFailurePersistence::WithSource("regressions")));
        return TestRunner::new(config);
    }
    config.max_shrink_iters = 0;
    config.rng_seed = RngSeed::Fixed(1);
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// A schedule. Steps are drawn as numbers, so that a shorter and simpler one is found by making them smaller.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = any::<(u8, u8, u8, u8)>().prop_map(step);
    prop::collection::vec(step, 1..STEPS_MAX)
}

fn step((kind, a, b, c): (u8, u8, u8, u8)) -> Step {
    let owner = a;
    let partition = b;
    match kind {
        0..56 => Step::Produce {
            partition: a,
            fact: produced(b, c),
        },
        56..58 => Step::PostgresAway { atoms: 1 + a % 16 },
        58..60 => Step::Commits {
            fate: [Fate::Fine, Fate::Down, Fate::Late][usize::from(a % 3)],
        },
        60..80 => Step::Work { owner },
        80..110 => Step::Poll {
            owner,
            partition,
            n: 1 + c % 6,
        },
        110..150 => Step::Flush {
            owner,
            fate: fate(c),
            visits: b.is_multiple_of(2),
        },
        150..190 => Step::Checkpoint {
            owner,
            fate: fate(c),
            snapshot: b % 6,
        },
        190..200 => Step::Load { owner },
        200..216 => Step::Assign {
            owner,
            partition,
            handover: Handover {
                patience: (c % 6, c / 6 % 6),
                fate: fate(c),
                acquired: fate(b),
            },
        },
        216..220 => Step::Tell { owner },
        220..226 => Step::Pause { owner },
        226..230 => Step::Crash { owner },
        230..233 => Step::Jump {
            owner,
            partition,
            by: i8::try_from(c % 7).expect("less than seven") - 3,
        },
        233..240 => Step::Arrive { which: a },
        240..242 => Step::Wipe,
        242..245 => Step::SaveRedis,
        245..247 => Step::RestartRedis,
        247..249 => Step::EvictHeader { partition },
        249..251 => Step::EvictMap {
            partition,
            is_sensors: c.is_multiple_of(2),
        },
        251..253 => Step::BackUpPostgres,
        253..255 => Step::RestorePostgres,
        255 => Step::Settle { owner },
    }
}

/// A quarter of the events are there already.
fn produced(kind: u8, value: u8) -> Produced {
    match kind {
        0..128 => Produced::New {
            device: kind,
            ago: value % 12,
        },
        128..171 => Produced::Again { which: value },
        171..245 => Produced::Tick {
            after: 1 + value % 6,
        },
        245..252 => Produced::Junk,
        252..=255 => Produced::Poison,
    }
}

fn fate(number: u8) -> Fate {
    match number {
        0..190 => Fate::Fine,
        190..215 => Fate::ReplyLost,
        215..235 => Fate::Down,
        235..=255 => Fate::Late,
    }
}
