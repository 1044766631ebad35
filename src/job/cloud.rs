//! The Microsoft clouds: where to sign in, where Graph is, and what it offers there.
//!
//! Source: <https://learn.microsoft.com/graph/deployments>. The scope of an app token is the resource and `/.default`; tokens of one
//! cloud are worth nothing in another.

use serde::Deserialize;

/// A cloud as job files name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// The worldwide cloud, GCC included.
    #[default]
    Global,
    /// US Government L4 (GCC High).
    UsGov,
    /// US Government L5 (`DoD`).
    UsGovDod,
    /// 21Vianet: recognised, so that it can be refused with the reason.
    China,
}

/// The hosts of a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudHosts {
    /// The sign-in host.
    pub authority: &'static str,
    /// The Graph host, which is the token's resource too.
    pub graph: &'static str,
}

impl Cloud {
    /// The name in job files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::UsGov => "us-gov",
            Self::UsGovDod => "us-gov-dod",
            Self::China => "china",
        }
    }

    /// Where to sign in and ask; `None` in China, where Graph has neither online meetings nor attendance.
    pub fn hosts(self) -> Option<CloudHosts> {
        let (authority, graph) = match self {
            Self::Global => (
                "https://login.microsoftonline.com",
                "https://graph.microsoft.com",
            ),
            Self::UsGov => (
                "https://login.microsoftonline.us",
                "https://graph.microsoft.us",
            ),
            Self::UsGovDod => (
                "https://login.microsoftonline.us",
                "https://dod-graph.microsoft.us",
            ),
            Self::China => return None,
        };
        Some(CloudHosts { authority, graph })
    }

    /// Whether Graph has webinars, town halls and the beta attendance reports there: in the global cloud only.
    pub fn has_virtual_events_and_beta(self) -> bool {
        self == Self::Global
    }
}
