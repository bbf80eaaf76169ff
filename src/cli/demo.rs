//! `demo`: the whole story in one process.

use clap::Args;

use super::{Failure, Session};

/// `receiptd demo`
#[derive(Debug, Args)]
pub struct DemoArgs {}

/// `receiptd demo`
pub async fn run(_: &Session, _: DemoArgs) -> Result<(), Failure> {
    Err(Failure::Failed("demo is not wired yet".to_owned()))
}
