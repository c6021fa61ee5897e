//! The folds that this process can run. To add one: write it in `domain`, say here how its rows are written, and name it
//! in [`FoldName`].

mod dead_letters;
mod movement;

use clap::ValueEnum;
use domain::fold::Fold;
use domain::movement::MovementFold;

pub(crate) use dead_letters::DeadLetterFold;

/// A fold by name, as in `--folds`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FoldName {
    /// Positions become visits, panes and occupancy.
    Movement,
    /// Refused messages become rows that an operator can look at.
    DeadLetters,
}

impl FoldName {
    /// The topic that it reads, without prefix.
    pub(crate) const fn topic(self) -> &'static str {
        match self {
            Self::Movement => MovementFold::TOPIC,
            Self::DeadLetters => DeadLetterFold::TOPIC,
        }
    }
}
