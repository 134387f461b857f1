//! Under which name the orders of a partner, and those of its sandbox, lie in the read models.

/// The channel under which orders of sandboxes stand in read models whose rows have a channel. In the log it is the
/// partner's, with the mark beside it.
pub const SANDBOX: &str = "sandbox";

/// The partner as the read models ask for it. The sandbox of a partner is another one: nothing that is asked of the one
/// ever meets an order of the other. No partner's name has a colon.
///
/// # Examples
/// ```
/// use atelier_projections::account;
/// assert_eq!(account("acme", false), "acme");
/// assert_eq!(account("acme", true), "acme:sandbox");
/// ```
pub fn account(partner: &str, sandbox: bool) -> String {
    if sandbox { format!("{partner}:{SANDBOX}") } else { partner.to_owned() }
}

/// In which role whoever has this account asks.
pub(crate) fn role_of(account: &str) -> &'static str {
    if account.ends_with(":sandbox") { SANDBOX } else { "partner" }
}
