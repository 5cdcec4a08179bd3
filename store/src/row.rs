//! From columns to words. The database knows text and bigint only.

use crate::StoreError;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

pub(crate) fn broken(column: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("{column}: {why}"))
}

pub(crate) fn text(row: &AnyRow, column: &'static str) -> Result<String, StoreError> {
    Ok(row.try_get(column)?)
}

pub(crate) fn text_or_null(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(column)?)
}

pub(crate) fn int(row: &AnyRow, column: &'static str) -> Result<i64, StoreError> {
    Ok(row.try_get(column)?)
}

/// Anything parsed from a text: ids, status words.
pub(crate) fn word<T>(row: &AnyRow, column: &'static str) -> Result<T, StoreError>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    T::try_from(text(row, column)?).map_err(|why| broken(column, why))
}

pub(crate) fn word_or_null<T>(row: &AnyRow, column: &'static str) -> Result<Option<T>, StoreError>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    let stored: Option<String> = row.try_get(column)?;
    stored.map(T::try_from).transpose().map_err(|why| broken(column, why))
}

/// Anything parsed from a number: amounts, counts, percentages.
pub(crate) fn number<T>(row: &AnyRow, column: &'static str) -> Result<T, StoreError>
where
    T: TryFrom<i64>,
    T::Error: std::fmt::Display,
{
    T::try_from(int(row, column)?).map_err(|why| broken(column, why))
}

pub(crate) fn time(row: &AnyRow, column: &'static str) -> Result<domain::time::Time, StoreError> {
    Ok(domain::time::Time::from_millis(int(row, column)?))
}

pub(crate) fn time_or_null(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<domain::time::Time>, StoreError> {
    let stored: Option<i64> = row.try_get(column)?;
    Ok(stored.map(domain::time::Time::from_millis))
}

pub(crate) fn json<T: DeserializeOwned>(
    row: &AnyRow,
    column: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(&text(row, column)?).map_err(|why| broken(column, why))
}

pub(crate) fn json_or_null<T: DeserializeOwned>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let stored: Option<String> = row.try_get(column)?;
    stored.map(|text| serde_json::from_str(&text)).transpose().map_err(|why| broken(column, why))
}

/// Our own types always have a JSON form.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data has a JSON form")
}
