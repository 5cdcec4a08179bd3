//! Where staff has money returned to when the gateway refuses its own way, and how staff refers to
//! what was done outside.

use std::fmt;

const BANK_CODE_DIGITS: usize = 3;
const ACCOUNT_DIGITS: std::ops::RangeInclusive<usize> = 6..=20;
const HOLDER_CHARS_MAX: usize = 50;
const REFERENCE_CHARS_MAX: usize = 64;

/// A bank account. Personal data: it stands in one table, goes to the gateway, and is never shown,
/// also not by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct RefundAccount {
    bank_code: String,
    number: String,
    holder: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAccount {
    #[error("3 digits")]
    BankCode,
    #[error("6 to 20 digits, - between them is left out")]
    Number,
    #[error("1 to 50 printable characters")]
    Holder,
}

impl RefundAccount {
    pub fn parse(bank_code: &str, number: &str, holder: &str) -> Result<Self, NotAnAccount> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if bank_code.len() != BANK_CODE_DIGITS || !digits(bank_code) {
            return Err(NotAnAccount::BankCode);
        }
        let number = number.replace('-', "");
        if !ACCOUNT_DIGITS.contains(&number.len()) || !digits(&number) {
            return Err(NotAnAccount::Number);
        }
        let holder = holder.trim();
        let fits = (1..=HOLDER_CHARS_MAX).contains(&holder.chars().count());
        if !fits || holder.chars().any(char::is_control) {
            return Err(NotAnAccount::Holder);
        }
        Ok(Self { bank_code: bank_code.to_owned(), number, holder: holder.to_owned() })
    }

    pub fn bank_code(&self) -> &str {
        &self.bank_code
    }

    pub fn number(&self) -> &str {
        &self.number
    }

    pub fn holder(&self) -> &str {
        &self.holder
    }
}

impl fmt::Debug for RefundAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefundAccount(..)")
    }
}

/// How staff finds again what was done outside, for example the number of a transfer. Plain
/// letters and digits, so that no names are written here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to 64 letters, digits, - _ . and /")]
pub struct NotAReference;

impl Reference {
    pub fn parse(text: impl Into<String>) -> Result<Self, NotAReference> {
        let text = text.into();
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        let fits = (1..=REFERENCE_CHARS_MAX).contains(&text.len());
        if plain && fits { Ok(Self(text)) } else { Err(NotAReference) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reference {
    type Error = NotAReference;
    fn try_from(text: String) -> Result<Self, NotAReference> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_checked_and_never_shown() {
        let account = RefundAccount::parse("088", "110-123-456789", " 홍길동 ").unwrap();
        assert_eq!(account.number(), "110123456789");
        assert_eq!(account.holder(), "홍길동");
        assert_eq!(format!("{account:?}"), "RefundAccount(..)");
        let check = |bank, number, holder| RefundAccount::parse(bank, number, holder).unwrap_err();
        assert_eq!(check("88", "110123456789", "a"), NotAnAccount::BankCode);
        assert_eq!(check("08a", "110123456789", "a"), NotAnAccount::BankCode);
        assert_eq!(check("088", "12345", "a"), NotAnAccount::Number);
        assert_eq!(check("088", "11012345678x", "a"), NotAnAccount::Number);
        assert_eq!(check("088", "110123456789", " "), NotAnAccount::Holder);
    }

    #[test]
    fn references_hold_no_names() {
        assert!(Reference::parse("T-2026/11.25_7").is_ok());
        for bad in ["", "홍길동", "to Mr Hong", &"x".repeat(65)] {
            assert_eq!(Reference::parse(bad), Err(NotAReference), "{bad}");
        }
    }
}
