//! The flags of `init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::job::cloud::Cloud;
use crate::job::file::AuthMethod;

/// Flags of `init`; what is left out is asked for at a terminal, and takes its default elsewhere.
#[derive(Debug, Clone, Default, Args)]
pub struct InitArguments {
    /// The tenant: its GUID or one of its domains
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// The app registration's application (client) id; leave it out where there is none yet
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// How to sign in [default: client-secret]
    #[arg(long, value_enum, value_name = "METHOD")]
    pub auth: Option<AuthChoice>,
    /// The cloud that the tenant is in [default: global]
    #[arg(long, value_enum, value_name = "CLOUD")]
    pub cloud: Option<CloudChoice>,
    /// What to read; several are separated by commas [default: everything that the cloud has]
    #[arg(
        long = "source",
        value_enum,
        value_name = "SOURCES",
        value_delimiter = ','
    )]
    pub sources: Option<Vec<SourceChoice>>,
    /// Where the tables go [default: ./warehouse]
    #[arg(long, value_name = "URI")]
    pub warehouse: Option<String>,
    /// Whose midnights cut the days: an IANA name [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// The job file to write; one that exists is left alone [default: nightly.toml]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `init --auth`: the methods of the job file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AuthChoice {
    /// A secret of the app registration
    #[default]
    ClientSecret,
    /// A certificate of the app registration
    Certificate,
    /// The managed identity of a machine in Azure; no secret
    ManagedIdentity,
    /// Kubernetes or another identity provider; no secret
    WorkloadIdentity,
    /// A person signs in; only that person's meetings
    DeviceCode,
    /// A token that something else fetched
    AccessToken,
}

impl AuthChoice {
    /// The method as the job file has it.
    pub fn method(self) -> AuthMethod {
        match self {
            Self::ClientSecret => AuthMethod::ClientSecret,
            Self::Certificate => AuthMethod::Certificate,
            Self::ManagedIdentity => AuthMethod::ManagedIdentity,
            Self::WorkloadIdentity => AuthMethod::WorkloadIdentity,
            Self::DeviceCode => AuthMethod::DeviceCode,
            Self::AccessToken => AuthMethod::AccessToken,
        }
    }
}

/// `init --cloud`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CloudChoice {
    /// Worldwide, GCC included
    #[default]
    Global,
    /// US Government L4 (GCC High)
    UsGov,
    /// US Government L5 (`DoD`)
    UsGovDod,
}

impl CloudChoice {
    /// The cloud as the job file has it.
    pub fn cloud(self) -> Cloud {
        match self {
            Self::Global => Cloud::Global,
            Self::UsGov => Cloud::UsGov,
            Self::UsGovDod => Cloud::UsGovDod,
        }
    }
}

/// `init --source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum SourceChoice {
    /// Meetings on people's calendars
    OnlineMeetings,
    /// Webinars; global cloud only
    Webinars,
    /// Town halls; global cloud only
    TownHalls,
}

impl SourceChoice {
    /// The name of its table in the job file.
    pub fn table(self) -> &'static str {
        match self {
            Self::OnlineMeetings => "sources.online_meetings",
            Self::Webinars => "sources.webinars",
            Self::TownHalls => "sources.town_halls",
        }
    }
}
