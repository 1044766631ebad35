//! Users and groups.

use super::object::graph_object;
use super::scalars::Text;

graph_object! {
    /// A `user`.
    User {
        /// Object id.
        id: Option<Text<'a>> = "id",
        /// Name.
        display_name: Option<Text<'a>> = "displayName",
        /// Address.
        mail: Option<Text<'a>> = "mail",
        /// Sign-in name.
        user_principal_name: Option<Text<'a>> = "userPrincipalName",
        /// Whether the account is enabled.
        account_enabled: Option<bool> = "accountEnabled",
        /// `Member` or `Guest`.
        user_type: Option<Text<'a>> = "userType",
    }
}

graph_object! {
    /// A member of a group: a user, another group, a device, …
    GroupMember {
        /// Which of them; users also come without it.
        odata_type: Option<Text<'a>> = "@odata.type",
        /// Object id.
        id: Option<Text<'a>> = "id",
        /// Name.
        display_name: Option<Text<'a>> = "displayName",
        /// Address.
        mail: Option<Text<'a>> = "mail",
        /// Sign-in name.
        user_principal_name: Option<Text<'a>> = "userPrincipalName",
        /// Whether the account is enabled.
        account_enabled: Option<bool> = "accountEnabled",
        /// `Member` or `Guest`.
        user_type: Option<Text<'a>> = "userType",
    }
}
