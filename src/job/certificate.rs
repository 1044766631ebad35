//! A certificate that an app signs in with: one PEM file with the certificate and its private key.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret as _, SecretString};

/// A certificate with its private key, of which nothing is printed.
#[derive(Clone)]
pub struct Certificate {
    thumbprint: String,
    key: EncodingKey,
}

/// Why a file is not a certificate with its key. Says what is missing, never what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's sentence is its message")]
pub enum BadCertificate {
    #[error("it is no PEM")]
    NotPem,
    #[error("it holds no certificate")]
    NoCertificate,
    #[error("it holds no private key")]
    NoKey,
    #[error("its private key has a password")]
    EncryptedKey,
    #[error("its private key is not RSA of 2048 bits or more")]
    NotRsa,
    #[error("its private key does not belong to its certificate")]
    OtherKey,
}

impl Certificate {
    /// Reads PEM text; of several certificates, the one that the key belongs to.
    ///
    /// # Errors
    /// [`BadCertificate`]; terminal.
    pub fn read(text: &SecretString) -> Result<Self, BadCertificate> {
        let blocks = pem::parse_many(text.expose_secret()).map_err(|_| BadCertificate::NotPem)?;
        let keys = || {
            blocks
                .iter()
                .filter(|block| block.tag().ends_with("PRIVATE KEY"))
        };
        let mut certificates = blocks
            .iter()
            .filter(|block| block.tag() == "CERTIFICATE")
            .map(pem::Pem::contents)
            .peekable();
        if blocks.is_empty() {
            return Err(BadCertificate::NotPem);
        }
        let key = keys().next().ok_or(BadCertificate::NoKey)?;
        if key.tag() == "ENCRYPTED PRIVATE KEY" || key.headers().get("DEK-Info").is_some() {
            return Err(BadCertificate::EncryptedKey);
        }
        certificates.peek().ok_or(BadCertificate::NoCertificate)?;
        // owned by a type that forgets what it held
        let key_text = SecretString::from(pem::encode(key));
        let key = EncodingKey::from_rsa_pem(key_text.expose_secret().as_bytes())
            .map_err(|_| BadCertificate::NotRsa)?;
        let pair = RsaKeyPair::from_der(key.as_bytes()).map_err(|_| BadCertificate::NotRsa)?;
        // a certificate holds its public key as the key pair writes it
        let public = pair.public_key().as_ref();
        let own = certificates
            .find(|der| der.windows(public.len()).any(|part| part == public))
            .ok_or(BadCertificate::OtherKey)?;
        Ok(Self {
            thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, own)),
            key,
        })
    }

    /// `x5t#S256`: the SHA-256 of the certificate, by which the app registration knows it.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// What signs.
    pub fn key(&self) -> &EncodingKey {
        &self.key
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

    use super::*;

    /// Made once: an RSA key takes a while.
    static KEYS: LazyLock<[KeyPair; 2]> =
        LazyLock::new(|| [(); 2].map(|()| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()));

    fn certificate(key: &KeyPair) -> rcgen::Certificate {
        let params = CertificateParams::new(vec!["teamsheet".to_owned()]).unwrap();
        params.self_signed(key).unwrap()
    }

    fn read(text: &str) -> Result<Certificate, BadCertificate> {
        Certificate::read(&SecretString::from(text))
    }

    #[test]
    fn certificate_and_key_are_read_in_any_order_and_from_a_chain() {
        let [own, other] = &*KEYS;
        let (certificate, issuer) = (certificate(own), certificate(other));
        let expected = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.der()));
        let (certificate, issuer, key) = (certificate.pem(), issuer.pem(), own.serialize_pem());
        for text in [
            format!("{certificate}{key}"),
            format!("{key}{certificate}"),
            format!("Bag Attributes: none\n{issuer}\n{key}\n{certificate}"),
            format!("{certificate}{key}").replace('\n', "\r\n"),
        ] {
            let read = read(&text).unwrap();
            assert_eq!(read.thumbprint(), expected);
            assert_eq!(read.thumbprint().len(), 43);
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        let [own, other] = &*KEYS;
        let (certificate, key) = (certificate(own).pem(), own.serialize_pem());
        let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (text, expected) in [
            (String::new(), BadCertificate::NotPem),
            ("hunter2".to_owned(), BadCertificate::NotPem),
            (certificate.clone(), BadCertificate::NoKey),
            (key.clone(), BadCertificate::NoCertificate),
            (
                format!("{certificate}{encrypted}"),
                BadCertificate::EncryptedKey,
            ),
            (
                format!("{certificate}{}", ec.serialize_pem()),
                BadCertificate::NotRsa,
            ),
            (
                format!("{certificate}{}", other.serialize_pem()),
                BadCertificate::OtherKey,
            ),
        ] {
            assert_eq!(read(&text).unwrap_err(), expected);
        }
    }

    #[test]
    fn fault_91_a_printed_certificate_holds_no_key() {
        let [own, _] = &*KEYS;
        let text = format!("{}{}", certificate(own).pem(), own.serialize_pem());
        let printed = format!("{:?}", read(&text).unwrap());
        let line = own.serialize_pem().lines().nth(1).unwrap().to_owned();
        assert!(
            !printed.contains(&line) && !printed.contains("key"),
            "{printed}"
        );
    }
}
