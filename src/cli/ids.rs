//! Ids as people type them: complete, by their first characters, or `last`; and their completion in a shell.

use std::ffi::OsStr;
use std::str::FromStr;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;

use super::output::{Output, plain};
use super::screen::Screen;
use super::{Failure, Session};
use crate::api::{Batch, BatchId, IdKind, KnownId, QuarantineState};
use crate::client::{BatchFilter, Client, ClientError, QuarantineFilter};
use crate::domain::IdPrefix;

/// Stands for the newest batch or callback.
const LAST: &str = "last";
/// The number of candidates listed if the first characters are ambiguous.
const LISTED: u32 = 10;
/// The number of completions offered in a shell.
const OFFERED: u32 = 100;
/// How long a shell waits for the daemon.
const COMPLETION_DEADLINE: Duration = Duration::from_secs(2);

/// The id of a batch or a group, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdArg {
    /// A complete id.
    Whole(BatchId),
    /// The first characters of an id.
    Beginning(IdPrefix),
    /// The newest batch.
    Last,
}

/// The error for a text that is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: pass a UUID as `receiptd batches` lists them, its first characters, or `last` for the newest batch")]
pub struct NoId;

impl FromStr for IdArg {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        if text == LAST {
            return Ok(Self::Last);
        }
        let whole = text.parse().map(Self::Whole);
        whole.or_else(|_| text.parse().map(Self::Beginning)).map_err(|_| NoId)
    }
}

impl IdArg {
    /// The id of the batch or group that is meant. A complete id is not looked up.
    pub(super) async fn find(&self, client: &Client) -> Result<BatchId, Failure> {
        match self {
            Self::Whole(id) => Ok(*id),
            Self::Last => Ok(newest(client).await?.id),
            Self::Beginning(prefix) => only(prefix, client.ids(prefix, LISTED + 1).await?.items),
        }
    }

    /// The id of the group that is meant. `last` is the group of the newest batch.
    pub(super) async fn find_group(&self, client: &Client) -> Result<BatchId, Failure> {
        match self {
            Self::Whole(id) => Ok(*id),
            Self::Last => {
                let newest = newest(client).await?;
                newest.group.ok_or_else(|| Failure::NotFound(format!("the newest batch, {}, belongs to no group", newest.id)))
            }
            Self::Beginning(prefix) => {
                let mut known = client.ids(prefix, OFFERED).await?.items;
                known.retain(|known| known.kind == IdKind::Group);
                only(prefix, known)
            }
        }
    }
}

async fn newest(client: &Client) -> Result<Batch, Failure> {
    let page = client.batches(&BatchFilter { limit: Some(1), ..Default::default() }).await?;
    page.items.into_iter().next().ok_or_else(|| Failure::NotFound("there is no batch yet".to_owned()))
}

fn only(prefix: &IdPrefix, mut known: Vec<KnownId>) -> Result<BatchId, Failure> {
    known.dedup_by_key(|known| known.id); // the same id for a batch and a group counts once
    match &*known {
        [] => Err(Failure::NotFound(format!("no batch and no group has an id that begins with {prefix}"))),
        [one] => Ok(one.id),
        many => {
            let more = if many.len() > LISTED as usize { "\n  …" } else { "" };
            let listed: Vec<_> = many.iter().take(LISTED as usize).map(|known| format!("  {}  {}", known.id, described(known))).collect();
            Err(Failure::Usage(format!("{prefix} is the beginning of several ids; type more of it:\n{}{more}", listed.join("\n"))))
        }
    }
}

fn described(known: &KnownId) -> String {
    let kind = match known.kind {
        IdKind::Batch => "batch",
        IdKind::Group => "group",
    };
    let reference = known.reference.as_ref().map(|reference| format!(", {}", plain(reference))).unwrap_or_default();
    format!("{kind} of {}{reference}", known.created_at)
}

/// The id of a quarantined callback, as given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuarantineId {
    /// The id itself.
    Number(i64),
    /// The newest callback.
    Last,
}

impl FromStr for QuarantineId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == LAST {
            return Ok(Self::Last);
        }
        text.parse().map(Self::Number).map_err(|_| "not an id: pass a number as `receiptd quarantine list` shows it, or `last`")
    }
}

impl QuarantineId {
    pub(super) async fn find(self, client: &Client) -> Result<i64, Failure> {
        match self {
            Self::Number(id) => Ok(id),
            Self::Last => {
                let page = client.quarantine(&QuarantineFilter { limit: Some(1), ..Default::default() }).await?;
                page.items.first().map(|item| item.id).ok_or_else(|| Failure::NotFound("the quarantine is empty".to_owned()))
            }
        }
    }
}

/// Completes ids: `last`, the newest batches and their groups.
pub(super) fn complete_id(current: &OsStr) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy().to_lowercase();
    let known = asked(async |client| {
        let page = client.batches(&BatchFilter { limit: Some(OFFERED), ..Default::default() }).await?;
        let mut offered: Vec<(String, String)> = Vec::new();
        for batch in page.items {
            let what = batch.reference.clone().or_else(|| batch.message.clone()).unwrap_or_default();
            if let Some(group) = batch.group.filter(|group| !offered.iter().any(|(id, _)| *id == group.to_string())) {
                offered.push((group.to_string(), format!("group: {what}")));
            }
            offered.push((batch.id.to_string(), format!("{}: {what}", batch.state)));
        }
        Ok(offered)
    });
    offered(&begun, [(LAST.to_owned(), "the newest batch".to_owned())].into_iter().chain(known))
}

/// Completes references: those of the newest batches.
pub(super) fn complete_reference(current: &OsStr) -> Vec<CompletionCandidate> {
    let known = asked(async |client| {
        let page = client.batches(&BatchFilter { limit: Some(OFFERED), ..Default::default() }).await?;
        let mut references: Vec<_> = page.items.into_iter().filter_map(|batch| batch.reference).collect();
        references.sort_unstable();
        references.dedup();
        Ok(references.into_iter().map(|reference| (reference, String::new())).collect())
    });
    offered(&current.to_string_lossy(), known)
}

/// Completes ids of quarantined callbacks: those that are waiting.
pub(super) fn complete_quarantined(current: &OsStr) -> Vec<CompletionCandidate> {
    let known = asked(async |client| {
        let filter = QuarantineFilter { state: Some(QuarantineState::Waiting), limit: Some(OFFERED), cursor: None };
        let page = client.quarantine(&filter).await?;
        Ok(page.items.into_iter().map(|item| (item.id.to_string(), item.reason)).collect())
    });
    offered(&current.to_string_lossy(), [(LAST.to_owned(), "the newest one".to_owned())].into_iter().chain(known))
}

/// The candidates with this beginning, in the order given, each with a short description.
fn offered(begun: &str, all: impl IntoIterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let candidate = |(at, (value, about)): (usize, (String, String))| {
        let about = super::layout::shortened(&super::escape::line(&about), 40);
        CompletionCandidate::new(value).help((!about.is_empty()).then(|| about.into())).display_order(Some(at))
    };
    all.into_iter().filter(|(value, _)| value.starts_with(begun)).enumerate().map(candidate).collect()
}

/// Asks the daemon of the command line being completed. On any error there are no completions.
fn asked<T>(question: impl AsyncFnOnce(&Client) -> Result<Vec<T>, ClientError>) -> Vec<T> {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let after = words.iter().position(|word| word == "--config").and_then(|at| words.get(at + 1));
    let config = words.iter().find_map(|word| word.strip_prefix("--config=")).or(after.map(String::as_str));
    let session = Session::new(config.map(Into::into), Output::new(true, Screen::pipe()));
    actix_web::rt::System::new()
        .block_on(async {
            let client = session.client().ok()?;
            tokio::time::timeout(COMPLETION_DEADLINE, question(&client)).await.ok()?.ok()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_whole_a_beginning_or_the_last() {
        let whole = "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11";
        assert_eq!(whole.parse(), Ok(IdArg::Whole(whole.parse().expect("a uuid"))));
        assert_eq!("6F2C".parse(), Ok(IdArg::Beginning("6f2c".parse().expect("a beginning"))));
        assert_eq!("last".parse(), Ok(IdArg::Last));
        assert_eq!("x".parse::<IdArg>(), Err(NoId));
        assert_eq!(("17".parse(), "last".parse()), (Ok(QuarantineId::Number(17)), Ok(QuarantineId::Last)));
    }

    #[test]
    fn an_ambiguous_beginning_lists_what_it_may_mean() {
        let known = |id: &str, kind, reference: Option<&str>| KnownId {
            id: id.parse().expect("a uuid"),
            kind,
            reference: reference.map(str::to_owned),
            created_at: "2026-01-01T09:00:00Z".parse().expect("a time"),
        };
        let prefix: IdPrefix = "6f".parse().expect("a beginning");
        let (one, other) = ("6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11", "6f2c1d9e-9999-4a0e-9a53-0d6a2f1f7c11");
        let both = vec![known(one, IdKind::Batch, Some("sale")), known(other, IdKind::Group, None)];
        let failure = only(&prefix, both).expect_err("ambiguous");
        let told = failure.to_string();
        assert!(failure.exit_code() == 2 && told.contains(&format!("{one}  batch of 2026-01-01T09:00:00.000Z, sale")), "{told}");
        assert!(told.contains(&format!("{other}  group of")), "{told}");
        assert_eq!(only(&prefix, Vec::new()).expect_err("none").exit_code(), 4);
        let twice = vec![known(one, IdKind::Batch, None), known(one, IdKind::Group, None)];
        assert_eq!(only(&prefix, twice).expect("one id").to_string(), one);
    }
}
