//! Where sessions are found.

/// A source of sessions; closed, as every one has its own module in `discover`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Online meetings.
    OnlineMeeting,
    /// Webinars.
    Webinar,
    /// Town halls.
    TownHall,
}

impl Source {
    /// The value of the `source` columns.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnlineMeeting => "online_meeting",
            Self::Webinar => "webinar",
            Self::TownHall => "town_hall",
        }
    }

    /// The source of a `source` column's value.
    pub fn named(name: &str) -> Option<Self> {
        [Self::OnlineMeeting, Self::Webinar, Self::TownHall]
            .into_iter()
            .find(|source| source.as_str() == name)
    }
}
