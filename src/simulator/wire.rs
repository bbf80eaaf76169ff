//! Which of the documentation's contradictions is true today (`provider.md`, "Contradictions").

/// How the provider reads and writes what its documentation leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Which spelling of the client's batch uuid counts: `uuid` (table) or `id` (example). When none does, the
    /// batch gets an identifier of the provider's own.
    pub uuid: Spelling,
    /// Which spelling of the dry run counts: `isDryrun` (table) or `dryRun` (example). When none does, a rehearsal
    /// goes out to real people.
    pub dry_run: Spelling,
    /// Which spelling of the send time counts: `at` (table) or `send_at` (example).
    pub send_at: Spelling,
    /// Whether fields that don't count are refused.
    pub strictness: Strictness,
    /// What becomes of a client uuid that was used before.
    pub repeated: Repeated,
    /// Answers and receipts name the batch in upper case.
    pub upper_case: bool,
    /// Receipts name the batch by a uuid of the provider's own, although the answer named the client's.
    pub receipts_under_own: bool,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            uuid: Spelling::Either,
            dry_run: Spelling::Either,
            send_at: Spelling::Either,
            strictness: Strictness::Lenient,
            repeated: Repeated::Second,
            upper_case: false,
            receipts_under_own: false,
        }
    }
}

/// Which of two documented spellings counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Both do; where they differ, the table's.
    Either,
    /// The one in the documentation's table.
    Table,
    /// The one in the documentation's example.
    Example,
    /// None: what was asked is ignored.
    Neither,
}

impl Spelling {
    pub(super) fn pick<T>(self, table: Option<T>, example: Option<T>) -> Option<T> {
        match self {
            Self::Either => table.or(example),
            Self::Table => table,
            Self::Example => example,
            Self::Neither => None,
        }
    }

    pub(super) fn knows_table(self) -> bool {
        matches!(self, Self::Either | Self::Table)
    }

    pub(super) fn knows_example(self) -> bool {
        matches!(self, Self::Either | Self::Example)
    }
}

/// What the provider refuses with 400 beyond what makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Nothing: unknown fields are ignored.
    Lenient,
    /// Fields and query parameters that it does not know, the spellings that don't count among them.
    UnknownFields,
    /// Those, and both spellings of one thing together.
    Pairs,
}

/// What becomes of a batch whose client uuid was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// It is a second batch under the same identifier, and everybody gets the message twice. The worst case.
    Second,
    /// It is refused with 409.
    Conflict,
    /// It is recognised: the same answer again, nothing is sent.
    Same,
}
