//! Reading query strings: every parameter by name, and no unknown ones.

use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::web::Query;

use super::error::ApiError;
use crate::api::{DEFAULT_LIMIT, FieldError, MAX_LIMIT};

/// The parameters that have not been read yet, and the errors in those that have.
pub(super) struct Parameters {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Parameters {
    pub fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let given = Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_| ApiError::field("query", "the query string cannot be parsed"))?
            .into_inner();
        Ok(Self { given, known: Vec::new(), errors: Vec::new() })
    }

    /// A text. An empty one is an error: a filter that lost its value must not be ignored.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let at = self.given.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.given.swap_remove(at);
        if self.given.iter().any(|(key, _)| key == name) {
            self.wrong(name, "is given more than once");
        }
        if value.is_empty() {
            self.wrong(name, "is empty; give it a value, or leave it out");
            return None;
        }
        Some(value)
    }

    /// A value parsed from text. `expected` describes what is accepted.
    pub fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let short: String = text.chars().take(60).collect();
            self.wrong(name, &format!("`{short}` is not {expected}"));
        }
        parsed
    }

    /// `limit`: 1 to 1000, by default 100.
    pub fn limit(&mut self) -> u32 {
        match self.parsed::<u32>("limit", "a number from 1 to 1000") {
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(limit) => {
                self.wrong("limit", &format!("{limit} is not a number from 1 to 1000"));
                DEFAULT_LIMIT
            }
            None => DEFAULT_LIMIT,
        }
    }

    /// A cursor from an earlier page.
    pub fn cursor(&mut self, name: &'static str) -> Option<i64> {
        let cursor = self.parsed::<i64>(name, "a cursor: use `next` of the previous page, or leave it out");
        if cursor.is_some_and(|cursor| cursor < 0) {
            self.wrong(name, "is not a cursor: use `next` of the previous page, or leave it out");
        }
        cursor
    }

    pub fn wrong(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError::new(name, detail));
    }

    /// All errors at once.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for (name, _) in std::mem::take(&mut self.given) {
            if self.errors.iter().any(|error| error.pointer == name) {
                continue;
            }
            let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
            self.errors.push(FieldError::new(name, format!("unknown parameter; this endpoint accepts {known}")));
        }
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(ApiError::Invalid("invalid query".into(), self.errors))
    }
}
