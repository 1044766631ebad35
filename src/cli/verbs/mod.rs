//! One function a verb: flags in, exit status out.

mod check;
#[cfg(feature = "demo")]
mod demo;
mod init;
mod login;
mod manual;
mod plan;
mod record;
mod run;
mod schema;
mod status;
mod verify;

pub use check::check;
#[cfg(feature = "demo")]
pub use demo::demo;
pub use init::init;
pub use login::login;
pub use manual::{completions, man};
pub use plan::plan;
pub use run::{backfill, run};
pub use schema::schema;
pub use status::status;
pub use verify::verify;
