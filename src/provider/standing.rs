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

/// Trouble with the provider as others may see it: lines for `/readyz`.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<Mutex<[Option<String>; 2]>>);

impl Standing {
    /// What is wrong between us and the provider, by errand; empty: nothing is known to be.
    pub fn troubles(&self) -> Vec<(Errand, String)> {
        let shown = lock(&self.0);
        let of = |errand| Some((errand, shown[errand as usize].clone()?));
        [Errand::Submitting, Errand::Asking].into_iter().filter_map(of).collect()
    }

    /// How the last such errand ended. What begins and what ends is logged.
    pub fn note(&self, errand: Errand, trouble: Option<String>) {
        let mut shown = lock(&self.0);
        let shown = &mut shown[errand as usize];
        match (&*shown, &trouble) {
            (None, Some(why)) => log::warn!("the provider: {why}"),
            (Some(_), None) => log::info!("the provider answers again"),
            _ => {}
        }
        *shown = trouble;
    }
}
