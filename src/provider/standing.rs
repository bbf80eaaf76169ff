//! How things stand between us and the provider, for whoever asks how we are.

use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// What the provider is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Handing batches over.
    Submitting,
    /// Asking for receipts that did not come.
    Asking,
}

/// Trouble with the provider as others may see it: lines for `/readyz`. Clones share it.
///
/// Whether it answers at all is one thing for all errands, and the last call says it: what one of them could not reach is
/// back as soon as another is answered. Each errand is refused for itself.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<Mutex<Troubles>>);

#[derive(Debug, Default)]
struct Troubles {
    /// The errand that noticed it, and what is wrong.
    away: Option<(Errand, String)>,
    refused: [Option<String>; 2],
}

impl Troubles {
    fn any(&self) -> bool {
        self.away.is_some() || self.refused.iter().any(Option::is_some)
    }
}

impl Standing {
    /// What is wrong between us and the provider, by errand; empty: nothing is known to be.
    pub fn troubles(&self) -> Vec<(Errand, String)> {
        let troubles = lock(&self.0);
        let refused = |errand| Some((errand, troubles.refused[errand as usize].clone()?));
        let refused = [Errand::Submitting, Errand::Asking].into_iter().filter_map(refused);
        troubles.away.iter().cloned().chain(refused).collect()
    }

    /// It answered, and does not refuse this errand.
    pub fn answered(&self, errand: Errand) {
        let mut troubles = lock(&self.0);
        let before = troubles.any();
        troubles.away = None;
        troubles.refused[errand as usize] = None;
        if before && !troubles.any() {
            log::info!("the provider answers again");
        }
    }

    /// It gave no answer, or none that says anything.
    pub fn away(&self, errand: Errand, why: String) {
        let before = lock(&self.0).away.replace((errand, why.clone()));
        if before.is_none() {
            log::warn!("the provider: {why}");
        }
    }

    /// It answers, and refuses this errand: the key, or for want of credit.
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
        standing.away(Errand::Submitting, "a batch was not taken (connect)".into());
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
