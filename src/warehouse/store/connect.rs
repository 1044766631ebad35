//! From a URI to a client. Credentials come from each cloud's usual environment, workload identity included.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, RetryConfig};

use super::super::store_error::StoreError;
use super::environment::{self, variable};
use super::http::{Patience, PatientConnector};
use super::objects::{Objects, store_error};
use crate::job::place::{StoreAddress, StoreKind};

/// What one exchange may take: a download of a large partition included; and until a connection stands.
const TIME_LIMITS: [(ClientConfigKey, &str); 2] = [
    (ClientConfigKey::Timeout, "900s"),
    (ClientConfigKey::ConnectTimeout, "10s"),
];

/// What goes with each write to S3 so that it can be checked there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    /// What `AWS_CHECKSUM_ALGORITHM` says: nothing by default, since some stores that speak S3's protocol refuse the header.
    FromEnvironment,
    /// A SHA-256, which a bucket with Object Lock asks for.
    Always,
}

/// A client for the store of an address; nothing is asked of it yet.
///
/// # Errors
/// [`StoreError::Other`] where the environment lacks a setting or has one that cannot be used, [`StoreError::Profile`].
pub(super) fn connect(address: &StoreAddress, checksums: Checksums) -> Result<Objects, StoreError> {
    match &address.kind {
        StoreKind::S3 => s3(address, checksums),
        StoreKind::AzureBlob => azure(address, MicrosoftAzureBuilder::from_env()),
        StoreKind::AzureDataLake { host } => {
            azure(address, azure_host(MicrosoftAzureBuilder::from_env(), host))
        }
        StoreKind::Google => google(address),
    }
}

fn s3(address: &StoreAddress, checksums: Checksums) -> Result<Objects, StoreError> {
    environment::refuse_profile(variable)?;
    let mut builder = AmazonS3Builder::from_env();
    if checksums == Checksums::Always {
        builder = builder.with_checksum_algorithm(Checksum::SHA256);
    }
    for (key, limit) in TIME_LIMITS {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), limit);
    }
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    // elsewhere plain http takes the word of `AWS_ALLOW_HTTP`
    if endpoint.is_some_and(|endpoint| is_loopback(&endpoint)) {
        builder = builder.with_allow_http(true);
    }
    let builder = builder
        .with_bucket_name(&address.bucket)
        .with_retry(no_retries())
        .with_http_connector(PatientConnector(Patience::default()));
    let store = Arc::new(builder.build().map_err(store_error)?);
    Ok(Objects::new(Arc::clone(&store) as _, store, address))
}

fn azure(
    address: &StoreAddress,
    mut builder: MicrosoftAzureBuilder,
) -> Result<Objects, StoreError> {
    builder = environment::azure(builder, variable)?;
    for (key, limit) in TIME_LIMITS {
        builder = builder.with_config(AzureConfigKey::Client(key), limit);
    }
    let builder = builder
        .with_container_name(&address.bucket)
        .with_retry(no_retries())
        .with_http_connector(PatientConnector(Patience::default()));
    let store = Arc::new(builder.build().map_err(store_error)?);
    Ok(Objects::new(Arc::clone(&store) as _, store, address))
}

/// A Data Lake is asked by its Blob interface, whose conditions are those of ordinary containers.
fn azure_host(builder: MicrosoftAzureBuilder, host: &str) -> MicrosoftAzureBuilder {
    match host.split_once(".dfs.") {
        Some((account, suffix)) => builder
            .with_account(account)
            .with_endpoint(format!("https://{account}.blob.{suffix}")),
        None => builder,
    }
}

fn google(address: &StoreAddress) -> Result<Objects, StoreError> {
    let mut builder = GoogleCloudStorageBuilder::from_env();
    for (key, limit) in TIME_LIMITS {
        builder = builder.with_config(GoogleConfigKey::Client(key), limit);
    }
    let builder = builder
        .with_bucket_name(&address.bucket)
        .with_retry(no_retries())
        .with_http_connector(PatientConnector(Patience::default()));
    let store = Arc::new(builder.build().map_err(store_error)?);
    Ok(Objects::new(Arc::clone(&store) as _, store, address))
}

/// There is one retry layer: [`PatientConnector`].
pub(super) fn no_retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: Duration::ZERO,
    }
}

fn is_loopback(endpoint: &str) -> bool {
    let Ok(url) = url::Url::parse(endpoint) else {
        return false;
    };
    url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_needs_no_word_on_loopback_only() {
        for endpoint in [
            "http://localhost:9000",
            "http://127.0.0.1:1/x",
            "http://[::1]:9000",
        ] {
            assert!(is_loopback(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://10.0.0.1:9000",
            "http://localhost.example.com",
            "127.0.0.1",
        ] {
            assert!(!is_loopback(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn a_data_lake_is_asked_at_its_blob_host() {
        for (host, endpoint) in [
            ("a.dfs.core.windows.net", "https://a.blob.core.windows.net"),
            (
                "a.dfs.core.usgovcloudapi.net",
                "https://a.blob.core.usgovcloudapi.net",
            ),
            (
                "onelake.dfs.fabric.microsoft.com",
                "https://onelake.blob.fabric.microsoft.com",
            ),
        ] {
            let builder = azure_host(MicrosoftAzureBuilder::new(), host);
            let value = |key| builder.get_config_value(&key);
            assert_eq!(value(AzureConfigKey::Endpoint).as_deref(), Some(endpoint));
            assert_eq!(
                value(AzureConfigKey::AccountName).as_deref(),
                host.split('.').next()
            );
        }
    }
}
