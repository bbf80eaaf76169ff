//! Reading paged lists.

use super::error::ClientError;
use crate::api::Page;

/// Reads a list to its end. `page` is called with the cursor of each page, `None` for the first.
///
/// # Errors
/// The first error of `page`; what was read before is dropped.
pub async fn all_pages<T>(mut page: impl AsyncFnMut(Option<String>) -> Result<Page<T>, ClientError>) -> Result<Vec<T>, ClientError> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let more = page(cursor).await?;
        items.extend(more.items);
        cursor = more.next;
        if cursor.is_none() {
            return Ok(items);
        }
    }
}
