//! The rules of the domain, without I/O: whose a report is.

pub mod attribution;
