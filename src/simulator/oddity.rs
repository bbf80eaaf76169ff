//! The ways in which a receipt may differ from the documented form.

/// An undocumented but readable form of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The destination is a JSON number.
    Number,
    /// The destination has no plus.
    NoPlus,
    /// There are undocumented fields.
    ExtraFields,
    /// `batchuuid` is in upper case.
    UpperCase,
    /// The content type is `text/plain`; this affects all receipts in the same request.
    PlainText,
    /// The receipt is the only element of an array.
    ArrayOfOne,
    /// The code is padded to four digits and in upper case.
    PaddedCode,
    /// There is no `receiptInfo`.
    NoInfo,
    /// There is neither a `batchuuid` nor a `messageuuid`.
    NoUuids,
}

impl Oddity {
    /// All forms.
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
