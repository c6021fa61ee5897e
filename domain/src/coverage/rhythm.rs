//! Which silences are usual for a sensor.
//!
//! A heartbeat every five minutes, or a corridor through which somebody comes every ten, leaves longer silences than
//! `silent_after`, and the sensor is up all the same. So a silence of up to half an hour is covered as well when it is at most
//! twice what is *usual* just then: within the three hours before, three silences or more were at least as long as the
//! usual one, and they made up half of the time or more. A goodbye is never covered, and neither is what follows a
//! sensor's first word: one silence proves no rhythm.
//!
//! It looks back only and depends on nothing but the hours that are written down. So it is the same whatever the order in
//! which events arrived. A silence is final when it ends before the watermark: one that reaches past it may still turn out
//! to have been shorter, and so to be covered, [`undecided`] says which. A late sign changes what is covered after it as
//! well, for as long as it is looked back at.

use super::{GOODBYES, HOUR, UP_BYTES, has_bit};
use crate::pane::PANE;
use crate::time::{Micros, Span};

/// Silences within this before another one say whether it is usual.
pub const LOOK_BACK: Span = Span::from_secs(3 * 3600);
/// A longer silence is never covered.
pub const LONGEST: Span = Span::from_secs(30 * 60);
/// So many silences make a rhythm.
const ENOUGH: usize = 3;

const LOOK_BACK_PANES: i64 = LOOK_BACK.0 / PANE.0;
const LONGEST_PANES: i64 = LONGEST.0 / PANE.0;

/// Covered panes without one between them that is not, by their number since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// Whether the sensor's last word was that it goes away.
    pub said_goodbye: bool,
}

/// The number of the pane that holds an instant.
#[must_use]
pub fn pane_number(at: Micros) -> i64 {
    at.0.div_euclid(PANE.0)
}

/// The runs of some hours, as [`super::stored`] gives them, that rise.
#[must_use]
pub fn runs<'a>(hours: impl Iterator<Item = (Micros, &'a [u8])>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (hour, bits) in hours {
        let start = pane_number(hour.floor(HOUR));
        let bytes = bits.iter().take(UP_BYTES).enumerate();
        for index in bytes
            .filter(|(_, byte)| **byte != 0)
            .flat_map(|(byte, _)| byte * 8..byte * 8 + 8)
        {
            if !has_bit(bits, 0, index) {
                continue;
            }
            let pane = start + i64::try_from(index).expect("an index within an hour");
            let said_goodbye = has_bit(bits, GOODBYES, index);
            match runs.last_mut() {
                Some(run) if run.last + 1 == pane => {
                    (run.last, run.said_goodbye) = (pane, said_goodbye);
                }
                _ => runs.push(Run {
                    first: pane,
                    last: pane,
                    said_goodbye,
                }),
            }
        }
    }
    runs
}

/// The longest silence that is covered after the word that a sensor gave at `at`; zero when no silence is usual, or when that
/// word is not in `runs`.
#[must_use]
pub fn usual_after(runs: &[Run], at: Micros) -> Span {
    let pane = pane_number(at);
    let known = runs.partition_point(|run| run.first <= pane);
    let Some((last, before)) = runs[..known].split_last() else {
        return Span(0);
    };
    if last.last < pane || (last.said_goodbye && last.last == pane) {
        return Span(0);
    }
    PANE * allowed(
        before,
        Run {
            last: pane,
            ..*last
        },
    )
}

/// The silences between runs that are covered: `(from, to)`, both not included.
pub fn covered(runs: &[Run]) -> impl Iterator<Item = (i64, i64)> {
    runs.windows(2).enumerate().filter_map(|(index, pair)| {
        let (run, next) = (pair[0], pair[1]);
        let is_usual =
            silence(run, next).is_some_and(|silence| silence <= allowed(&runs[..index], run));
        is_usual.then_some((run.last, next.first))
    })
}

/// The silence that reaches up to the pane `watermark`, from its first pane to that, while it is not decided.
///
/// A sign of life after the watermark may still end it so early that it is covered. `None` when it is covered already or never will be. A silence of up to
/// `silent_after` is always covered.
#[must_use]
pub fn undecided(runs: &[Run], watermark: i64, silent_after: Span) -> Option<(i64, i64)> {
    let known = runs.partition_point(|run| run.first < watermark);
    let (run, before) = runs[..known].split_last()?;
    let so_far = watermark - run.last - 1;
    if run.said_goodbye || so_far <= 0 {
        return None;
    }
    let allowed = allowed(before, *run);
    let is_covered = |next: &Run| silence(*run, *next).is_some_and(|silence| silence <= allowed);
    if runs.get(known).is_some_and(is_covered) {
        return None;
    }
    let longest = allowed.max(silent_after.0 / PANE.0);
    (so_far <= longest).then_some((run.last + 1, watermark))
}

/// How many panes lie between two runs; `None` when the sensor went away, or that is more than a silence.
fn silence(run: Run, next: Run) -> Option<i64> {
    let panes = next.first - run.last - 1;
    (!run.said_goodbye && panes <= LONGEST_PANES).then_some(panes)
}

/// How many panes of silence after `last` are usual, when `before` came before it.
fn allowed(before: &[Run], last: Run) -> i64 {
    let from = last.last + 1 - LOOK_BACK_PANES;
    let mut time = last.last - last.first.max(from) + 1;
    let mut silences = Vec::new();
    let mut next = last;
    for run in before.iter().rev().take_while(|run| run.last >= from) {
        time += run.last - run.first.max(from) + 1;
        if let Some(silence) = silence(*run, next) {
            time += silence;
            silences.push(silence);
        }
        next = *run;
    }
    silences.sort_unstable_by(|a, b| b.cmp(a));
    let mut silent = 0;
    for (count, silence) in (1..).zip(silences) {
        silent += silence;
        if count >= ENOUGH && 2 * silent >= time {
            return (2 * silence).min(LONGEST_PANES);
        }
    }
    0
}

#[cfg(test)]
mod tests;
