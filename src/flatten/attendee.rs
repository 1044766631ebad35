//! Who an attendee is to the tenant: one of its members, a guest, or somebody from outside.
//!
//! Told from the report alone, so that the same report gives the same rows however it was found:
//!
//! | what Graph gives | type |
//! |---|---|
//! | an identity of a phone, or a number | `phone` |
//! | an identity of an app or bot | `application` |
//! | the id of another tenant | `external` |
//! | an address with `#EXT#`, or a guest identity | `guest` |
//! | an identity of Azure Communication Services | `anonymous` |
//! | the role of the organizer, or an address of the organizer's domain | `member` |
//! | a name without tenant, address and object id | `anonymous` |
//! | anything else | null |
//!
//! An account of the tenant with an address of a domain that is not the organizer's may be a guest, or a member where a tenant has
//! several domains: a report cannot tell, the organizers of all sessions can (the view `attendees`).
//! Source: <https://learn.microsoft.com/entra/external-id/user-properties>, <https://learn.microsoft.com/graph/api/resources/attendancerecord>.

use std::borrow::Cow;

use super::record::FlatRecord;
use crate::ids::TenantId;

/// What the user principal name of a guest has in place of its `@`: `ada_fabrikam.example#EXT#@contoso.onmicrosoft.com`.
const OF_GUEST: &str = "#ext#";
/// A tenant or object id that stands for none.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// A report's tenant, and the domains that are surely its own.
#[derive(Debug)]
pub(super) struct OwnTenant<'a> {
    tenant: &'a TenantId,
    domains: Vec<Cow<'a, str>>,
}

impl<'a> OwnTenant<'a> {
    /// As a report's records tell: its organizer is a member.
    pub(super) fn of(tenant: &'a TenantId, records: &[FlatRecord<'a>]) -> Self {
        let organizers = records.iter().filter(|record| is_organizer(record));
        let is_own = |record: &&FlatRecord<'_>| {
            tenant_of(record).is_none_or(|of| of.eq_ignore_ascii_case(tenant.as_str()))
                && record
                    .email_address
                    .is_some_and(|address| !is_of_guest(address))
        };
        let domains = organizers
            .filter(is_own)
            .filter_map(|record| email_domain(record.email_address?));
        Self {
            tenant,
            domains: domains.collect(),
        }
    }

    /// Whether Graph gives another tenant's id; `None` where it gives none.
    pub(super) fn is_external(&self, record: &FlatRecord<'_>) -> Option<bool> {
        tenant_of(record).map(|tenant| !tenant.eq_ignore_ascii_case(self.tenant.as_str()))
    }

    /// The value of `attendee_type`.
    pub(super) fn attendee_type(&self, record: &FlatRecord<'_>) -> Option<&'static str> {
        let id = record.identity.id.as_deref().unwrap_or_default().trim();
        let address = record.email_address.unwrap_or_default();
        match Kind::of(record.identity.kind.as_deref(), id) {
            Kind::Phone => return Some("phone"),
            Kind::Application => return Some("application"),
            _ if self.is_external(record) == Some(true) => return Some("external"),
            _ if is_of_guest(address) => return Some("guest"),
            Kind::Guest => return Some("guest"),
            Kind::Communication => return Some("anonymous"),
            Kind::Unknown => return None,
            Kind::User => {}
        }
        let domain = email_domain(address);
        let is_own = domain
            .as_ref()
            .is_some_and(|domain| self.domains.contains(domain));
        if is_organizer(record) || is_own {
            return Some("member");
        }
        let has_account = tenant_of(record).is_some() || domain.is_some() || is_object_id(id);
        let has_name =
            { record.identity.display_name.as_deref() }.is_some_and(|name| !name.trim().is_empty());
        (!has_account && has_name).then_some("anonymous")
    }
}

/// What an identity is, as its type or its id names it.
#[derive(Debug, Clone, Copy)]
enum Kind {
    User,
    Guest,
    Phone,
    Application,
    Communication,
    Unknown,
}

impl Kind {
    fn of(kind: Option<&str>, id: &str) -> Self {
        match kind.unwrap_or_default() {
            "communicationsPhoneIdentity" | "phone" => return Self::Phone,
            "communicationsApplicationIdentity"
            | "communicationsApplicationInstanceIdentity"
            | "application"
            | "applicationInstance" => return Self::Application,
            "communicationsGuestIdentity" | "guest" => return Self::Guest,
            "azureCommunicationServicesUserIdentity" | "azureCommunicationServicesUser" => {
                return Self::Communication;
            }
            "" | "identity" | "communicationsUserIdentity" | "teamworkUserIdentity" | "user" => {}
            _ => return Self::Unknown,
        }
        let is_number = id.strip_prefix("4:").unwrap_or(id).starts_with('+');
        match id {
            _ if is_number => Self::Phone,
            _ if id.starts_with("28:") => Self::Application,
            _ if id.starts_with("8:acs:") => Self::Communication,
            _ => Self::User,
        }
    }
}

/// The domain of an address in lower case; of a guest's user principal name, that of the guest's own address.
pub(super) fn email_domain(address: &str) -> Option<Cow<'_, str>> {
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let domain = if is_of_guest(address) {
        let own = local.get(..local.len().checked_sub(OF_GUEST.len())?)?;
        own.rsplit_once('_')?.1
    } else {
        domain
    };
    let is_domain =
        !local.is_empty() && !domain.is_empty() && !domain.contains(char::is_whitespace);
    is_domain.then(|| {
        if domain.chars().any(char::is_uppercase) {
            Cow::Owned(domain.to_lowercase())
        } else {
            Cow::Borrowed(domain)
        }
    })
}

fn is_of_guest(address: &str) -> bool {
    let local = address.trim().rsplit_once('@').map(|(local, _)| local);
    local.is_some_and(|local| {
        let start = local.len().checked_sub(OF_GUEST.len());
        start
            .and_then(|start| local.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case(OF_GUEST))
    })
}

fn is_organizer(record: &FlatRecord<'_>) -> bool {
    record
        .role
        .is_some_and(|role| role.eq_ignore_ascii_case("Organizer"))
}

/// The attendee's tenant, where there is one.
fn tenant_of<'r>(record: &'r FlatRecord<'_>) -> Option<&'r str> {
    let tenant = record.identity.tenant_id.as_deref()?;
    (!tenant.is_empty() && tenant != NOBODY).then_some(tenant)
}

/// Whether an id is that of an account in a directory: a GUID, not that of nobody.
fn is_object_id(id: &str) -> bool {
    let is_place_of_hyphen = |place: usize| matches!(place, 8 | 13 | 18 | 23);
    let has_form = id.len() == NOBODY.len()
        && id.bytes().enumerate().all(|(place, byte)| match byte {
            b'-' => is_place_of_hyphen(place),
            _ => byte.is_ascii_hexdigit() && !is_place_of_hyphen(place),
        });
    has_form && id != NOBODY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_an_address_is_that_of_who_has_it() {
        for (address, domain) in [
            ("ada@contoso.example", Some("contoso.example")),
            (" Ada@Contoso.Example ", Some("contoso.example")),
            (
                "ada_fabrikam.example#EXT#@contoso.onmicrosoft.com",
                Some("fabrikam.example"),
            ),
            (
                "a_b_fabrikam.example#ext#@contoso.onmicrosoft.com",
                Some("fabrikam.example"),
            ),
            ("\"a@b\"@contoso.example", Some("contoso.example")),
            ("#EXT#@contoso.onmicrosoft.com", None),
            ("ada@b\u{fc}cher.example", Some("b\u{fc}cher.example")),
            ("", None),
            ("ada", None),
            ("@contoso.example", None),
            ("ada@", None),
            ("ada@two words", None),
        ] {
            assert_eq!(email_domain(address).as_deref(), domain, "{address:?}");
        }
    }

    #[test]
    fn an_object_id_is_a_guid_of_somebody() {
        for (id, wanted) in [
            ("0a000000-0000-4000-8000-000000000001", true),
            (NOBODY, false),
            ("0a0000000000400080000000000000000001", false),
            ("anonymous:123", false),
            ("", false),
        ] {
            assert_eq!(is_object_id(id), wanted, "{id}");
        }
    }
}
