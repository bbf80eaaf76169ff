//! `GET /v1/batches/{id}/export`: one row per destination, streamed in pages. So an export of any size needs little
//! memory, and no long read keeps the WAL from shrinking.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::header::{ContentDisposition, DispositionParam, DispositionType};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde::Serialize;

use super::batches::{batch_id, destination_state, unknown};
use super::error::ApiError;
use super::query::Parameters;
use super::state::ApiState;
use crate::api::Destination;
use crate::domain::{Batch, BatchId, DestinationState, Identifier, Timestamp};
use crate::store::{DestinationFilter, StoreError};

/// The number of rows per page.
const PAGE: u32 = 2_000;

/// How long an export pauses after each page while receipts arrive: about as long as it works.
const BREATH: Duration = Duration::from_millis(5);

/// The columns of an export, in their order.
#[derive(Serialize)]
struct Row<'a> {
    batch: BatchId,
    provider_batch: Option<Cow<'a, str>>,
    destination: &'a str,
    state: DestinationState,
    code: Option<Cow<'a, str>>,
    description: Option<Cow<'a, str>>,
    message_id: Option<Cow<'a, Identifier>>,
    receipts: u64,
    conflict: bool,
    first_receipt_at: Option<Timestamp>,
    last_receipt_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Csv,
    Ndjson,
}

impl std::str::FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err(()),
        }
    }
}

/// The progress of an export.
struct Export {
    state: Data<ApiState>,
    batch: BatchId,
    wanted: Option<DestinationState>,
    format: Format,
    after: Option<i64>,
    first: bool,
}

pub(super) async fn export(request: HttpRequest, path: Path<String>, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let id = batch_id(&path)?;
    let mut query = Parameters::of(&request)?;
    let format = query.parsed("format", "a format: csv or ndjson").unwrap_or(Format::Csv);
    let wanted = destination_state(&mut query);
    query.finish()?;
    if state.store.batch(id).await?.is_none() {
        return Err(unknown(id));
    }
    let (media, extension) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Ndjson => ("application/x-ndjson", "ndjson"),
    };
    let name = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!("{id}.{extension}"))],
    };
    let export = Export { state, batch: id, wanted, format, after: Some(i64::MIN), first: true };
    let pages = stream::unfold(export, |mut export| async move {
        let page = export.next_page().await?;
        Some((page, export))
    });
    Ok(HttpResponse::Ok().content_type(media).insert_header(name).streaming(pages))
}

impl Export {
    /// The next page as text. An error ends the answer without its end mark, so that nobody takes it for complete.
    async fn next_page(&mut self) -> Option<Result<Bytes, StoreError>> {
        let after = self.after.take()?;
        let filter = DestinationFilter { state: self.wanted, ..DestinationFilter::default() };
        let (batch, found, next) = match self.state.store.destinations(self.batch, filter, after, PAGE).await {
            Ok(Some(found)) => found,
            Ok(None) => return None, // the batch has been pruned meanwhile
            Err(error) => return Some(Err(error)),
        };
        self.after = next;
        if self.state.store.queue_depth() > 0 {
            tokio::time::sleep(BREATH).await;
        }
        let header = std::mem::take(&mut self.first);
        Some(Ok(render(&batch, &found, self.format, header).into()))
    }
}

/// Protects text from the provider that a spreadsheet would take for a formula, by putting an apostrophe before it.
/// Numbers keep their plus, and NDJSON is not changed, because programs read it.
fn no_formula(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

fn render(batch: &Batch, found: &[Destination], format: Format, header: bool) -> Vec<u8> {
    let text_of = |text| if format == Format::Csv { no_formula(text) } else { Cow::Borrowed(text) };
    let rows = found.iter().map(|one| Row {
        batch: batch.id,
        provider_batch: batch.provider_id.as_deref().map(text_of),
        destination: &one.destination,
        state: one.state,
        code: one.code.as_ref().map(|code| text_of(code.as_str())),
        description: one.description.as_deref().map(text_of),
        message_id: one.message_id.as_ref().map(|id| match id {
            Identifier::Text(text) if let Cow::Owned(text) = text_of(text) => Cow::Owned(Identifier::Text(text)),
            _ => Cow::Borrowed(id),
        }),
        receipts: one.receipts,
        conflict: one.conflict,
        first_receipt_at: one.first_receipt_at,
        last_receipt_at: one.last_receipt_at,
    });
    let mut text = Vec::with_capacity(found.len() * 200);
    match format {
        Format::Csv => {
            if header {
                text.extend_from_slice(
                    b"batch,provider_batch,destination,state,code,description,message_id,receipts,conflict,first_receipt_at,last_receipt_at\n",
                );
            }
            let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(&mut text);
            for row in rows {
                // Serializing plain fields into a vector cannot fail.
                let _ = writer.serialize(row);
            }
            let _ = writer.flush();
        }
        Format::Ndjson => {
            for row in rows {
                let _ = serde_json::to_writer(&mut text, &row);
                text.push(b'\n');
            }
        }
    }
    text
}
