//! The policy in force, which may be replaced while the engine runs.

use std::sync::{Arc, Mutex, PoisonError};

use atelier_domain::Policy;

/// Clones share it. A replacement counts from each worker's next turn on: for what is decided then, and for the
/// deadlines of all open orders, which follow from their state and the policy. What was written stays as it was
/// and names the version it was due to.
#[derive(Clone, Debug)]
pub struct PolicyInForce(Arc<Mutex<Arc<Policy>>>);

impl PolicyInForce {
    /// Begins with `policy`.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(policy))))
    }

    /// Puts another policy in force.
    pub fn replace(&self, policy: Policy) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// The policy in force now.
    pub fn current(&self) -> Arc<Policy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
