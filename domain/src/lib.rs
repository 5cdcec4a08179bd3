//! The words and rules of Marquee: plain data and plain functions, no I/O, no async, no clock.
//!
//! Reading order: the words (`words`, `ids`, `won`, `time`), what is sold (`catalogue`, `party`,
//! `seats`), the reservation and what it owes (`reservation`, `payment`, `cancellation`), the line
//! before the gateway (`line`), what customers and partners are told (`notice`, `webhook`), and how the
//! rules say no (`refusal`). `person` is who acts, `audit_entry` what staff did, and `audit` judges
//! what is stored.

pub mod attention;
pub mod audit;
pub mod audit_entry;
pub mod cancellation;
pub mod catalogue;
pub mod check_in;
pub mod feed;
pub mod ids;
pub mod line;
pub mod mypage;
pub mod notice;
pub mod order;
pub mod party;
pub mod payment;
pub mod person;
pub mod refund_account;
pub mod refusal;
pub mod reservation;
pub mod seats;
pub mod secret;
pub mod ticket;
pub mod time;
pub mod timeline;
pub mod webhook;
pub mod won;
pub mod words;
