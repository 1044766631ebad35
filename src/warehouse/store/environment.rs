//! What the clouds' own tools take from the environment and the client does not: read here, or refused with the way that there is.

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::super::store_error::StoreError;

/// A variable of the environment; `None` where it is not set or empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Refuses a profile: whoever names one means its credentials, and others would be used in their place.
///
/// Keys in the environment come first for AWS's own tools too.
///
/// # Errors
/// [`StoreError::Profile`]
pub(super) fn refuse_profile(read: impl Fn(&str) -> Option<String>) -> Result<(), StoreError> {
    let has_credentials = [
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ]
    .iter()
    .any(|name| read(name).is_some());
    let named = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]
        .into_iter()
        .find(|name| read(name).is_some());
    match named {
        Some(variable) if !has_credentials => Err(StoreError::Profile { variable }),
        Some(_) | None => Ok(()),
    }
}

/// Adds the variables of Azure's CLI and SDKs, each only where the client's own says nothing.
///
/// Source: <https://learn.microsoft.com/cli/azure/storage>, "Environment variables";
/// <https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string>.
///
/// # Errors
/// [`StoreError::Other`] where a connection string is none.
pub(super) fn azure(
    mut builder: MicrosoftAzureBuilder,
    read: impl Fn(&str) -> Option<String>,
) -> Result<MicrosoftAzureBuilder, StoreError> {
    let connection = match read(CONNECTION_STRING) {
        Some(text) => connection_settings(&text)?,
        None => Vec::new(),
    };
    let plain = [
        ("AZURE_STORAGE_ACCOUNT", AzureConfigKey::AccountName),
        ("AZURE_STORAGE_KEY", AzureConfigKey::AccessKey),
    ];
    let plain = plain.map(|(name, key)| read(name).map(|value| (key, value)));
    // a key or signature belongs to its account, so both come from one place
    let account = builder.get_config_value(&AzureConfigKey::AccountName);
    let is_other = |(key, value): &(AzureConfigKey, String)| {
        *key == AzureConfigKey::AccountName
            && account
                .as_ref()
                .is_some_and(|account| !account.eq_ignore_ascii_case(value))
    };
    let connection = if connection.iter().any(is_other) {
        Vec::new()
    } else {
        connection
    };
    for (key, value) in connection.into_iter().chain(plain.into_iter().flatten()) {
        let is_choice = key == AzureConfigKey::UseEmulator;
        if is_choice || builder.get_config_value(&key).is_none() {
            builder = builder.with_config(key, value);
        }
    }
    Ok(builder)
}

const CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";

/// `AccountName=…;AccountKey=…`, in the client's words. What it holds is secret, so no error quotes it.
fn connection_settings(text: &str) -> Result<Vec<(AzureConfigKey, String)>, StoreError> {
    let other = |what: &str| StoreError::Other {
        detail: format!("`{CONNECTION_STRING}` {what}"),
    };
    let pairs: Option<Vec<_>> = text
        .trim()
        .split(';')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| pair.split_once('='))
        .collect();
    let pairs = pairs.ok_or_else(|| other("is no connection string: a part of it has no `=`"))?;
    let find = |name: &str| {
        let mut pairs = pairs.iter();
        let found = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    if find("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(vec![(AzureConfigKey::UseEmulator, "true".to_owned())]);
    }
    let account = find("AccountName");
    let suffix = find("EndpointSuffix");
    let protocol = find("DefaultEndpointsProtocol").unwrap_or_else(|| "https".to_owned());
    let endpoint = find("BlobEndpoint").or_else(|| {
        let (account, suffix) = (account.as_ref()?, suffix?);
        Some(format!("{protocol}://{account}.blob.{suffix}"))
    });
    // with a signature alone the account is the host's first part
    let account = account.or_else(|| {
        let url = url::Url::parse(endpoint.as_deref()?).ok()?;
        url.host_str()?
            .split_once(".blob.")
            .map(|(account, _)| account.to_owned())
    });
    let account = account.ok_or_else(|| other("names neither `AccountName` nor `BlobEndpoint`"))?;
    let signature = find("SharedAccessSignature");
    let settings = [
        (AzureConfigKey::AccountName, Some(account)),
        (AzureConfigKey::AccessKey, find("AccountKey")),
        (AzureConfigKey::SasKey, signature),
        (
            AzureConfigKey::Endpoint,
            endpoint.map(|url| url.trim_end_matches('/').to_owned()),
        ),
    ];
    Ok(settings
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| (key, value)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn a_profile_is_refused_where_nothing_else_says_who_asks() {
        for (pairs, refused) in [
            (vec![("AWS_PROFILE", "work")], Some("AWS_PROFILE")),
            (
                vec![("AWS_DEFAULT_PROFILE", "work")],
                Some("AWS_DEFAULT_PROFILE"),
            ),
            (
                vec![("AWS_PROFILE", "work"), ("AWS_ACCESS_KEY_ID", "k")],
                None,
            ),
            (
                vec![
                    ("AWS_PROFILE", "work"),
                    ("AWS_WEB_IDENTITY_TOKEN_FILE", "f"),
                ],
                None,
            ),
            (vec![("AWS_REGION", "eu-west-1")], None),
            (vec![], None),
        ] {
            let found = match refuse_profile(environment(&pairs)) {
                Err(StoreError::Profile { variable }) => Some(variable),
                Err(error) => panic!("{error}"),
                Ok(()) => None,
            };
            assert_eq!(found, refused, "{pairs:?}");
        }
    }

    #[test]
    fn azures_own_variables_are_read_where_the_clients_say_nothing() {
        let key = "a2V5MQ==";
        let string = format!(
            "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey={key};EndpointSuffix=core.chinacloudapi.cn"
        );
        let by_signature = "BlobEndpoint=https://acc.blob.core.windows.net/;SharedAccessSignature=sv=2026-01-01&sig=a%2Bb%3D";
        for (pairs, account, access_key, signature, endpoint) in [
            (
                vec![("AZURE_STORAGE_ACCOUNT", "acc"), ("AZURE_STORAGE_KEY", key)],
                "acc",
                Some(key),
                None,
                None,
            ),
            (
                vec![("AZURE_STORAGE_CONNECTION_STRING", string.as_str())],
                "acc",
                Some(key),
                None,
                Some("https://acc.blob.core.chinacloudapi.cn"),
            ),
            (
                vec![("AZURE_STORAGE_CONNECTION_STRING", by_signature)],
                "acc",
                None,
                Some("sv=2026-01-01&sig=a%2Bb%3D"),
                Some("https://acc.blob.core.windows.net"),
            ),
        ] {
            let builder = azure(MicrosoftAzureBuilder::new(), environment(&pairs)).unwrap();
            let value = |key| builder.get_config_value(&key);
            assert_eq!(value(AzureConfigKey::AccountName).as_deref(), Some(account));
            assert_eq!(value(AzureConfigKey::AccessKey).as_deref(), access_key);
            assert_eq!(value(AzureConfigKey::SasKey).as_deref(), signature);
            assert_eq!(value(AzureConfigKey::Endpoint).as_deref(), endpoint);
        }
        let emulator = [(
            "AZURE_STORAGE_CONNECTION_STRING",
            "UseDevelopmentStorage=true;",
        )];
        let builder = azure(MicrosoftAzureBuilder::new(), environment(&emulator)).unwrap();
        assert_eq!(
            builder
                .get_config_value(&AzureConfigKey::UseEmulator)
                .as_deref(),
            Some("true")
        );
    }

    #[test]
    fn a_key_never_goes_to_another_account() {
        let builder = MicrosoftAzureBuilder::new().with_account("mine");
        let string = [(
            "AZURE_STORAGE_CONNECTION_STRING",
            "AccountName=other;AccountKey=a2V5",
        )];
        let builder = azure(builder, environment(&string)).unwrap();
        assert_eq!(
            builder
                .get_config_value(&AzureConfigKey::AccountName)
                .as_deref(),
            Some("mine")
        );
        assert_eq!(builder.get_config_value(&AzureConfigKey::AccessKey), None);
    }

    #[test]
    fn what_is_no_connection_string_is_refused_without_quoting_it() {
        for text in ["hunter2", "AccountKey=hunter2", "AccountName=a;hunter2"] {
            let string = [("AZURE_STORAGE_CONNECTION_STRING", text)];
            let error = azure(MicrosoftAzureBuilder::new(), environment(&string)).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("AZURE_STORAGE_CONNECTION_STRING"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
