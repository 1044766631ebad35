//! What to do where a server's certificate is not trusted.

use std::error::Error;

/// What to do where this machine trusts nobody at all.
pub(super) const NO_AUTHORITIES: &str = concat!(
    "install the CA bundle of this system (Debian and Ubuntu: the package `ca-certificates`), or name one in the environment variable ",
    "`SSL_CERT_FILE`: without it no server can be trusted, and trying again changes nothing"
);

/// What to do where the server's certificate is not trusted; rustls says why only in words.
pub(super) fn trust(problem: &dyn Error) -> &'static str {
    let mut words = String::new();
    let mut cause = Some(problem);
    while let Some(error) = cause {
        words += &error.to_string().to_ascii_lowercase().replace(' ', "");
        cause = error.source();
    }
    let says = |word: &str| words.contains(word);
    if says("notvalidforname") {
        "check `[graph] endpoint` and `authority` in the job file, and the proxy in between: the certificate is another host's; it is never \
         bypassed"
    } else if says("expired") || says("notvalidyet") {
        "check the clock of this machine, then who renews that certificate, the server or the proxy in between; it is never bypassed"
    } else {
        "let this machine trust whoever signed it: install the authority of your proxy and the package `ca-certificates`, or name a CA \
         bundle in the environment variable `SSL_CERT_FILE`; it is never bypassed"
    }
}
