//! How we ask: everything between a URL and the bytes of its answer.
//!
//! ```text
//! GraphRequest ─► limiter (budget, hold) ─► permit ─► token ─► send ─► read whole body ─► caller's parser
//!                      ▲                                                      │
//!                      └──────────── retry: decide, wait without a permit ◄───┘
//! ```
//!
//! Tokens: `sign_in` asks for them, one request a method; `device_code` signs a user in, whose sign-in `kept_sign_in` keeps.
//!
//! There is one retry layer, here. Only the configured origin ever gets a token. JSON of meetings and reports is not this module's
//! business; it reads token answers and error bodies only.

mod address;
mod answer;
mod arc;
mod assertion;
mod challenge;
mod client;
mod clock;
mod device_code;
mod error;
mod error_body;
mod failure;
#[cfg(test)]
mod fuzz_tests;
mod kept_sign_in;
mod limit;
mod meter;
mod pace;
mod paging;
mod request;
mod retry;
mod retry_after;
#[cfg(test)]
mod scripted_server;
mod sentence;
mod sign_in;
mod sign_in_verdict;
mod token;
mod transport;
mod trust;
mod verdict;
mod verdict_rows;

pub use client::GraphClient;
pub use device_code::{DeviceCodePrompt, SignedIn};
pub use error::{Cause, FailureReason, GraphError};
pub use meter::MeterSnapshot;
pub use paging::Pager;
pub use request::{Budget, GraphRequest, RequestKind};
