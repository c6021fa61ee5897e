//! A fold that counts, and panics on request.

use domain::fold::{Fold, Outcome, RestoreError, Rows};
use domain::live::{LiveMap, LiveWrite};
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;

/// Adds up bytes; `p` panics half way, `y` while it is read, `q` when it is asked whether it is due; `x` cannot be read, `w`
/// waits for a `d`, on which the fold panics then.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) total: u64,
    pub(super) rows: Total,
    /// It has seen its past for the next `d`.
    pub(super) has_seen: bool,
    /// How many wait.
    pub(super) waiting: u64,
}

/// Stands among the rows for what the fold gave up.
pub(super) const GIVEN_UP: u64 = u64::MAX;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Total(pub(super) Vec<u64>);

impl Rows for Total {
    type Want = ();
    type Past = ();

    fn absorb(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Fold for Sum {
    const NAME: &'static str = "sum";
    const TOPIC: &'static str = "sums";
    const VERSION: i32 = 1;
    type Config = ();
    type Record = u8;
    type Rows = Total;

    fn decode(value: &[u8]) -> Result<u8, Rejection> {
        match value {
            b"x" => Err(Rejection::new(Reason::Undecodable, "x")),
            b"y" => panic!("unreadable"),
            _ => Ok(value[0]),
        }
    }

    fn received_at(_: &u8) -> Option<Micros> {
        None
    }

    fn new((): &()) -> Self {
        Self::default()
    }

    fn apply(&mut self, record: u8, _offset: i64) -> Outcome {
        self.total += u64::from(record);
        assert!(record != b'p', "poison");
        if record == b'w' {
            self.waiting += 1;
            return Outcome::Late;
        }
        self.rows.0.push(self.total);
        Outcome::Applied
    }

    fn is_due(&self, record: &u8) -> bool {
        assert!(*record != b'q', "not to be asked");
        *record == b'd' && !self.has_seen
    }

    fn wants(&self) {}

    fn amend(&mut self, (): (), _: &u8, _: i64) -> Option<()> {
        assert!(self.waiting == 0, "late poison");
        self.has_seen = true;
        None
    }

    fn give_up(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.rows.0.extend((0..waiting).map(|_| GIVEN_UP));
    }

    fn drain_rows(&mut self) -> Total {
        std::mem::take(&mut self.rows)
    }

    fn drain_live(&mut self, _: bool) -> Vec<LiveWrite> {
        let gone = LiveWrite {
            map: LiveMap::Panes,
            field: b"old".to_vec(),
            value: None,
        };
        vec![gone, self.live()]
    }

    fn all_live(&mut self) -> Vec<LiveWrite> {
        vec![self.live()]
    }

    fn watermark(&self) -> Option<Micros> {
        None
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.total.to_le_bytes().to_vec()
    }

    fn restore(bytes: &[u8], (): &()) -> Result<Self, RestoreError> {
        let total = u64::from_le_bytes(bytes.try_into().unwrap());
        Ok(Self {
            total,
            rows: Total::default(),
            has_seen: false,
            waiting: 0,
        })
    }
}

impl Sum {
    fn live(&self) -> LiveWrite {
        LiveWrite {
            map: LiveMap::Panes,
            field: b"sum".to_vec(),
            value: Some(self.total.to_le_bytes().to_vec()),
        }
    }
}
