//! `healthcheck`: an exit code, and output only if something is wrong.

use clap::Args;

use super::{Failure, Session};

/// `receiptd healthcheck`
#[derive(Debug, Args)]
pub struct HealthArgs {}

/// `receiptd healthcheck`
pub async fn run(session: &Session, _: HealthArgs) -> Result<(), Failure> {
    let readiness = session.client_without_token()?.ready().await?;
    if session.output.is_json() {
        session.output.show(&readiness, |_| String::new())?;
    }
    if readiness.ready { Ok(()) } else { Err(Failure::Failed(format!("not ready: {}", readiness.reasons.join("; ")))) }
}
