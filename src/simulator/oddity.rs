//! How a receipt may differ from the documented form.

/// Forms of a receipt that the documentation does not show, but that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The destination is a JSON number.
    Number,
    /// The destination has no plus.
    NoPlus,
    /// There are fields that nobody documented.
    ExtraFields,
    /// `batchuuid` is in upper case.
    UpperCase,
    /// The content type is `text/plain`. All receipts of the same request come so.
    PlainText,
    /// An array with this receipt alone.
    ArrayOfOne,
    /// The code is padded to four digits and in upper case.
    PaddedCode,
    /// No `receiptInfo`.
    NoInfo,
    /// Neither `batchuuid` nor `messageuuid`.
    NoUuids,
}

impl Oddity {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Number,
        Self::NoPlus,
        Self::ExtraFields,
        Self::UpperCase,
        Self::PlainText,
        Self::ArrayOfOne,
        Self::PaddedCode,
        Self::NoInfo,
        Self::NoUuids,
    ];
}
