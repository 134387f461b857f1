//! Ids derived from what the caller gave, so that a repetition is the same request.

use atelier_schemas::Actor;
use uuid::Uuid;

/// Namespace of every id derived here. Never changes: orders keep their keys for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_4a1e_9b5d_4c7e_8a33_51d2_7e90_b4c6);

/// The id of the order a client creates under an idempotency key. The same client and key, the same
/// order, for ever; nothing is looked up.
///
/// # Examples
/// ```
/// let id = atelier_http::order_id_of("shop", "basket-17");
/// assert_eq!(id, atelier_http::order_id_of("shop", "basket-17"));
/// assert_ne!(id, atelier_http::order_id_of("partner-a", "basket-17"));
/// ```
pub fn order_id_of(client: &str, key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{client}\0{key}").as_bytes())
}

/// The id of the command that creates an order.
pub(crate) fn create_command_id(order_id: Uuid) -> Uuid {
    Uuid::new_v5(&order_id, b"create")
}

/// The id of an action under an idempotency key. The actor is part of it: two people with the same
/// key ask two things.
pub(crate) fn action_command_id(order_id: Uuid, actor: &Actor, action: &str, key: &str) -> Uuid {
    Uuid::new_v5(&order_id, format!("{}\0{}\0{action}\0{key}", actor.role, actor.name).as_bytes())
}

/// The id of the command behind a carrier's message: the carrier sends it until it is confirmed.
pub(crate) fn carrier_command_id(order_id: Uuid, webhook_id: &str) -> Uuid {
    Uuid::new_v5(&order_id, format!("carrier\0{webhook_id}").as_bytes())
}

/// The id of a request for a partner's key. The account is part of it: whoever has a key of the sandbox cannot repeat a
/// request of the others.
pub(crate) fn key_request_id(account: &str, key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("key\0{account}\0{key}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_golden() {
        // A change here would give old keys new orders.
        let order = order_id_of("shop", "key-1");
        assert_eq!(order.to_string(), "f9bd3b76-aff4-5ce3-ae0a-107b1a25b5bf");
        assert_eq!(create_command_id(order).to_string(), "b9d8d87f-8eb1-5296-91e5-21882ddf318e");
    }

    #[test]
    fn two_people_with_one_key_ask_two_things() {
        let of = |name: &str, action: &str| {
            action_command_id(Uuid::from_u128(1), &Actor { role: "operator".into(), name: name.into() }, action, "1")
        };
        assert_eq!(of("anna", "claim"), of("anna", "claim"));
        assert_ne!(of("anna", "claim"), of("boris", "claim"));
        assert_ne!(of("anna", "claim"), of("anna", "start"));
    }
}
