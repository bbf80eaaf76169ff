//! Delivery receipts as they are posted, in the documented form and in unusual ones.

use serde_json::{Value, json};

use super::{
    Oddity,
    batch::Batch,
    chance::Chance,
    codes,
    fate::{Fate, Kind, Outcome, Posting},
};

/// A receipt in the documented form, for `Handle::send_receipt`. `destination` is written as given; the description is
/// that of the code.
pub fn receipt_json(batch: &str, message: &str, destination: &str, delivered: bool, code: &str) -> Value {
    json!({
        "destination": destination,
        "delivered": delivered,
        "batchuuid": batch,
        "messageuuid": message,
        "receiptInfo": {"code": code, "description": codes::description(code)},
    })
}

/// The receipts of one request to a callback.
#[derive(Debug)]
pub(super) struct Parcel {
    pub content_type: &'static str,
    pub body: Vec<u8>,
    pub odd: u64,
    pub unreadable: u64,
}

impl Parcel {
    /// Packs receipts that are posted together; two or more become an array.
    pub(super) fn pack(batch: &Batch, postings: &[Posting]) -> Self {
        let mut parcel = Self { content_type: "application/json", body: Vec::new(), odd: 0, unreadable: 0 };
        let mut receipts: Vec<Value> = postings.iter().map(|posting| parcel.receipt(batch, *posting)).collect();
        let value = match (receipts.len(), receipts.pop()) {
            (1, Some(receipt)) => receipt,
            (_, last) => receipts.into_iter().chain(last).collect(),
        };
        parcel.body = value.to_string().into_bytes();
        parcel
    }

    fn receipt(&mut self, batch: &Batch, posting: Posting) -> Value {
        let index = posting.index as usize;
        let fate = batch.fate(index);
        let number = match posting.kind {
            Kind::Unexpected => stranger(batch, index),
            _ => batch.order.destinations[index],
        };
        let outcome = match (posting.kind, fate.fallback_after) {
            (Kind::FirstChannel, Some(code)) => Outcome::Failed(code),
            (Kind::Unexpected, _) => Outcome::Delivered,
            _ => fate.outcome.unwrap_or(Outcome::Delivered),
        };
        let (delivered, code) = match outcome {
            Outcome::Delivered => (true, "00"),
            Outcome::Failed(code) => (false, code),
        };
        let mut receipt = receipt_json(&batch.name_in_receipts(), &fate.message.to_string(), &format!("+{number}"), delivered, code);
        if fate.unreadable {
            self.unreadable += 1;
            receipt["delivered"] = json!("perhaps");
        } else {
            self.bend(&mut receipt, &fate, number);
        }
        match fate.odd {
            Some(Oddity::ArrayOfOne) if batch.profile.per_post <= 1 => json!([receipt]),
            _ => receipt,
        }
    }

    fn bend(&mut self, receipt: &mut Value, fate: &Fate<'_>, number: u64) {
        let Some(oddity) = fate.odd else { return };
        self.odd += 1;
        match oddity {
            Oddity::Number => receipt["destination"] = json!(number),
            Oddity::NoPlus => receipt["destination"] = json!(number.to_string()),
            Oddity::ExtraFields => {
                receipt["network"] = json!("234-15");
                receipt["cost"] = json!({"units": 1});
            }
            Oddity::UpperCase => {
                let batch = receipt["batchuuid"].as_str().map(str::to_uppercase);
                receipt["batchuuid"] = json!(batch);
            }
            Oddity::PlainText => self.content_type = "text/plain; charset=utf-8",
            Oddity::PaddedCode => {
                let code = receipt["receiptInfo"]["code"].as_str().unwrap_or("0");
                receipt["receiptInfo"]["code"] = json!(format!("{code:0>4}").to_uppercase());
            }
            Oddity::ArrayOfOne => {}
            Oddity::NoInfo | Oddity::NoUuids => {
                let missing: &[&str] = match oddity {
                    Oddity::NoInfo => &["receiptInfo"],
                    _ => &["batchuuid", "messageuuid"],
                };
                if let Some(fields) = receipt.as_object_mut() {
                    fields.retain(|name, _| !missing.contains(&name.as_str()));
                }
            }
        }
    }
}

/// A number that is not in the batch (with a probability of error of one in 10^8 for each destination).
fn stranger(batch: &Batch, index: usize) -> u64 {
    let digits = Chance::of(&[batch.chance, index as u64, 3]).below(100_000_000);
    999_000_000_000 + digits as u64
}
