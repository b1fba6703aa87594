//! Devices that join or leave a group one after the other.

use std::collections::VecDeque;

use shipslog_domain::Span;

use crate::control::Operator;
use crate::run::Failure;

/// Which way devices go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// Devices on their way, in the order of their time.
pub(super) struct Joiners {
    group: String,
    way: Way,
    waiting: VecDeque<(Span, String)>,
}

impl Joiners {
    /// `things` go one after the other, the first at `from`, the last `over` later.
    pub(super) fn new(
        group: String,
        way: Way,
        things: Vec<String>,
        from: Span,
        over: Span,
    ) -> Self {
        let gaps = u64::try_from(things.len().saturating_sub(1))
            .unwrap_or(u64::MAX)
            .max(1);
        let times = (0..).map(|number: u64| Span(from.0 + over.0.saturating_mul(number) / gaps));
        Self {
            group,
            way,
            waiting: times.zip(things).collect(),
        }
    }

    /// Lets those go whose time has come.
    pub(super) fn advance(&mut self, operator: &Operator, elapsed: Span) -> Result<(), Failure> {
        while let Some((_, thing)) = self.waiting.pop_front_if(|(at, _)| *at <= elapsed) {
            match self.way {
                Way::In => operator.add_to_group(&self.group, &thing)?,
                Way::Out => operator.remove_from_group(&self.group, &thing)?,
            }
        }
        Ok(())
    }

    pub(super) fn is_through(&self) -> bool {
        self.waiting.is_empty()
    }
}
