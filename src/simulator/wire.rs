//! The readings of the documentation's contradictions (docs/provider.md).

/// How the provider interprets what its documentation leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Which spelling of the client's batch UUID counts: `uuid` (table) or `id` (example). If neither does, the
    /// provider chooses the identifier.
    pub uuid: Spelling,
    /// Which spelling of the dry run counts: `isDryrun` (table) or `dryRun` (example). If neither does, a dry run goes
    /// out to real people.
    pub dry_run: Spelling,
    /// Which spelling of the send time counts: `at` (table) or `send_at` (example).
    pub send_at: Spelling,
    /// Whether fields that do not count are refused.
    pub strictness: Strictness,
    /// What happens if a client UUID was used before.
    pub repeated: Repeated,
    /// Whether answers and receipts write the batch's UUID in upper case.
    pub upper_case: bool,
    /// Whether receipts name the batch by the provider's own UUID, although the answer named the client's.
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

/// Which of the two documented spellings counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Both count; if they differ, the table's wins.
    Either,
    /// The spelling in the documentation's table.
    Table,
    /// The spelling in the documentation's example.
    Example,
    /// Neither: the value is ignored.
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

/// What the provider refuses with 400 beyond malformed requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Nothing more; unknown fields are ignored.
    Lenient,
    /// Unknown fields and query parameters, including the spellings that do not count.
    UnknownFields,
    /// Unknown fields, and both spellings of one thing together.
    Pairs,
}

/// What happens to a batch whose client UUID was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// It becomes a second batch with the same identifier, and everyone gets the message twice. This is the worst case.
    Second,
    /// It is refused with 409.
    Conflict,
    /// It is recognised: the first answer is repeated and nothing is sent.
    Same,
}
