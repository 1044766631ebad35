//! The rules of the domain, without I/O: whose a report is, when attendance is final, what a gap is, and who can
//! know what.
//!
//! ```text
//! session   not_ready ─► reported | empty | cancelled          listed after it settled: final by that
//!               │
//!               └──────► gone | over_cap | unsupported          suspected: asked again, final once the same answer came for long enough
//!
//! gap       open ─► closed      a reading that could see it, of the hours that were missing
//!             └───► final       it will never be filled; until then exit code 3 asks somebody to look
//! ```
//!
//! [`attribution`] says whose a report is, [`evidence`] weighs answers, [`finality`] judges sessions by them, [`gap`] has the words and rules of gaps, [`scope`] says whose knowledge a run has.

pub mod attribution;
pub mod evidence;
pub mod finality;
pub mod gap;
pub mod scope;

pub use finality::{Evidence, GapFinding, Patience, Reach, SessionVerdict, SettleRules, Sighting};
pub use gap::{Gap, GapReason, GapStage, MissingHours};
pub use scope::{Coverage, Readable, ReadingScope};
