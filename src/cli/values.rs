//! Values that several commands accept, and how they are parsed.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::engine::ArgValueCompleter;

use super::ids::{IdArg, complete_id};
use crate::api::MAX_LIMIT;
use crate::domain::{BatchState, Channel, DestinationState, QuarantineState};

/// A command about one batch or group.
#[derive(Debug, Args)]
pub struct IdArgs {
    /// Batch or group id, its first characters, or `last` for the newest batch
    #[arg(value_name = "ID", add = ArgValueCompleter::new(complete_id))]
    pub id: IdArg,
}

/// Parses the state of a batch.
pub(super) fn batch_state() -> impl TypedValueParser<Value = BatchState> {
    PossibleValuesParser::new(BatchState::ALL.map(BatchState::as_str)).try_map(|word| word.parse().map_err(|()| "no such state"))
}

/// Parses the state of a destination.
pub(super) fn destination_state() -> impl TypedValueParser<Value = DestinationState> {
    PossibleValuesParser::new(DestinationState::ALL.map(DestinationState::as_str))
        .try_map(|word| word.parse().map_err(|()| "no such state"))
}

/// Parses the state of a quarantined callback.
pub(super) fn quarantine_state() -> impl TypedValueParser<Value = QuarantineState> {
    PossibleValuesParser::new(QuarantineState::ALL.map(QuarantineState::as_str)).try_map(|word| word.parse().map_err(|()| "no such state"))
}

/// Parses a channel.
pub(super) fn channel() -> impl TypedValueParser<Value = Channel> {
    PossibleValuesParser::new(["sms", "rcs"]).try_map(|word| word.parse().map_err(|()| "no such channel"))
}

/// Parses the number of items of a list to show.
pub(super) fn limit() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT))
}
