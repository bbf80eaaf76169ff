//! The state of the connection to the provider, for health reports.

use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// The purpose of a call to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Submitting batches.
    Submitting,
    /// Asking for missing receipts.
    Asking,
}

/// Problems with the provider, as lines for `/readyz`. Clones share them.
///
/// Whether the provider answers is the same for all purposes, and the latest call decides: a failure noticed by one
/// ends as soon as another is answered. Refusals are recorded separately for each purpose.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<Mutex<Troubles>>);

#[derive(Debug, Default)]
struct Troubles {
    /// The purpose that noticed the failure, and what is wrong.
    away: Option<(Errand, String)>,
    refused: [Option<String>; 2],
}

impl Troubles {
    fn any(&self) -> bool {
        self.away.is_some() || self.refused.iter().any(Option::is_some)
    }
}

impl Standing {
    /// The current problems with the provider, by purpose; empty if none is known.
    pub fn troubles(&self) -> Vec<(Errand, String)> {
        let troubles = lock(&self.0);
        let refused = |errand| Some((errand, troubles.refused[errand as usize].clone()?));
        let refused = [Errand::Submitting, Errand::Asking].into_iter().filter_map(refused);
        troubles.away.iter().cloned().chain(refused).collect()
    }

    /// Records an answer that does not refuse this purpose.
    pub fn answered(&self, errand: Errand) {
        let mut troubles = lock(&self.0);
        let before = troubles.any();
        troubles.away = None;
        troubles.refused[errand as usize] = None;
        if before && !troubles.any() {
            log::info!("the provider answers again");
        }
    }

    /// Records that there was no answer, or no meaningful one.
    pub fn away(&self, errand: Errand, why: String) {
        let before = lock(&self.0).away.replace((errand, why.clone()));
        if before.is_none() {
            log::warn!("the provider: {why}");
        }
    }

    /// Records that the provider answers but refuses this purpose, because of the key or for lack of credit.
    pub fn refused(&self, errand: Errand, why: String) {
        let mut troubles = lock(&self.0);
        troubles.away = None;
        let before = troubles.refused[errand as usize].replace(why.clone());
        if before.as_ref() != Some(&why) {
            log::warn!("the provider: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_errand_could_not_reach_is_back_once_another_is_answered_and_a_refusal_is_its_own() {
        let standing = Standing::default();
        standing.away(Errand::Submitting, "a batch was not accepted (connect)".into());
        standing.answered(Errand::Asking);
        assert_eq!(standing.troubles(), []);
        standing.refused(Errand::Submitting, "no credit".into());
        standing.answered(Errand::Asking);
        assert_eq!(standing.troubles(), [(Errand::Submitting, "no credit".to_owned())]);
        standing.away(Errand::Asking, "no answer".into());
        assert_eq!(standing.troubles().len(), 2);
        standing.answered(Errand::Submitting);
        assert_eq!(standing.troubles(), []);
    }
}
