//! What `send` shows before it sends anything.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::number_list::NumberList;
use super::output::{count, grouped};
use super::plan::Plan;
use super::screen::Screen;
use super::send_at::SendAt;
use super::tables;
use crate::api::Channel;
use crate::domain::{countries, shortened_by};

/// The number of characters shown of the text.
const SHOWN: usize = 500;
/// The number of countries that are named; the rest is only counted.
const COUNTRIES: usize = 10;

/// What will be sent, apart from the numbers.
pub(super) struct Sending<'a> {
    pub(super) from: &'a str,
    pub(super) message: &'a str,
    pub(super) parts: u32,
    pub(super) channel: Option<Channel>,
    pub(super) fallback: &'a [Channel],
    pub(super) send_at: Option<&'a SendAt>,
    pub(super) reference: Option<&'a str>,
    pub(super) dry_run: bool,
}

/// How the numbers of a list were read.
pub(super) struct Numbers {
    countries: BTreeMap<&'static str, u64>,
    list: NumberList,
    /// The word for what the line numbers count: lines or arguments.
    place: &'static str,
}

impl Numbers {
    /// The remarks on a list whose numbers are now in the plan.
    pub(super) fn of(list: NumberList, plan: &Plan, place: &'static str) -> Self {
        Self { countries: countries(&plan.different()), list, place }
    }

    /// The numbers that are impossible for their country, each with its line.
    pub(super) fn doubtful(&self) -> Option<String> {
        let doubtful = &self.list.doubtful;
        let head = || count(doubtful.count, "number is impossible for its country:", "numbers are impossible for their country:");
        (doubtful.count > 0)
            .then(|| format!("{}\n{}\nThey will be sent to anyway; pass --strict to refuse them.", head(), doubtful.listed(self.place)))
    }

    /// The same information for programs.
    pub(super) fn as_json(&self) -> Value {
        let doubtful: Vec<Value> = self.list.doubtful.first.iter().map(|(line, detail)| json!({"line": line, "detail": detail})).collect();
        let more = self.list.doubtful.count - doubtful.len() as u64;
        let mut shown = json!({"national": self.list.tally.national, "countries": self.countries, "doubtful": doubtful});
        if let Some((written, number)) = &self.list.tally.example {
            shown["national_example"] = json!({"written": written, "number": number});
        }
        if more > 0 {
            shown["more_doubtful"] = more.into();
        }
        shown
    }

    fn by_country(&self) -> String {
        let mut all: Vec<_> = self.countries.iter().collect();
        all.sort_by_key(|(country, numbers)| (std::cmp::Reverse(**numbers), **country));
        let mut shown: Vec<String> =
            all.iter().take(COUNTRIES).map(|(country, numbers)| format!("{country} {}", grouped(**numbers))).collect();
        if all.len() > COUNTRIES {
            let rest = all[COUNTRIES..].iter().map(|(_, numbers)| **numbers).sum();
            shown.push(format!("{} others {}", all.len() - COUNTRIES, grouped(rest)));
        }
        shown.join(", ")
    }

    fn national(&self) -> Option<String> {
        let (written, number) = self.list.tally.example.as_ref()?;
        Some(format!("{}, such as {written} as {number}", grouped(self.list.tally.national)))
    }
}

/// The alphabet of the text, and its length.
fn encoding(message: &str) -> String {
    let characters = count(message.chars().count() as u64, "character", "characters");
    match shortened_by(message) {
        None => format!("GSM-7, {characters}"),
        Some(_) => format!("UCS-2 (Unicode), {characters}"),
    }
}

/// The table with all this, followed by the doubtful numbers.
pub(super) fn preview(sending: &Sending<'_>, plan: &Plan, numbers: &Numbers, screen: &Screen) -> String {
    let total = plan.total as u64;
    let mut message: String = sending.message.chars().take(SHOWN).collect();
    if message.len() < sending.message.len() {
        message.push('…');
    }
    let some = |n: u64| (n > 0).then(|| grouped(n));
    let rows = [
        // First, because it is what completes the job after a crash.
        (plan.what(), Some(plan.id.to_string())),
        ("from", Some(sending.from.to_owned())),
        ("message", Some(message)),
        ("numbers", Some(grouped(total))),
        ("by country", Some(numbers.by_country())),
        ("read as national", numbers.national()),
        ("doubtful", some(numbers.list.doubtful.count)),
        ("duplicates merged", some(plan.merged as u64)),
        ("invalid rows skipped", some(numbers.list.invalid.count)),
        ("comment lines skipped", some(numbers.list.comments)),
        ("name of the column", numbers.list.column_name.clone()),
        ("SMS parts", Some(format!("{} × {} = {}", sending.parts, grouped(total), grouped(total.saturating_mul(sending.parts.into()))))),
        ("encoding", Some(encoding(sending.message))),
        ("why", shortened_by(sending.message)),
        ("channels", tables::channels(sending.channel, sending.fallback)),
        ("when", Some(sending.send_at.map_or_else(|| "at once".to_owned(), SendAt::shown))),
        ("batches", plan.group().map(|_| format!("{} of one group", grouped(plan.batches() as u64)))),
        ("reference", sending.reference.map(str::to_owned)),
        ("dry run", sending.dry_run.then(|| "the provider validates it and sends nothing".to_owned())),
    ];
    let table = tables::fields(rows, screen);
    match numbers.doubtful() {
        Some(doubtful) => format!("{table}\n\n{doubtful}"),
        None => table,
    }
}
