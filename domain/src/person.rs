//! Who acts, and what they may see.

use crate::ids::CustomerId;
use crate::words::{Actor, Role};

/// Somebody in a role. Whoever can call has an id like a customer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: CustomerId,
    pub role: Role,
}

impl Person {
    /// Whose reservations they read and cancel; nothing means everybody's.
    pub fn confined_to(&self) -> Option<&CustomerId> {
        if self.role.may_act_as(Role::Staff) { None } else { Some(&self.id) }
    }

    pub fn actor(&self) -> Actor {
        if self.role.may_act_as(Role::Staff) { Actor::Staff } else { Actor::Customer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_its_own_and_what_stands_below_it() {
        let allowed = |role: Role| {
            let needed = Role::EVERY.iter().filter(|needed| role.may_act_as(**needed));
            needed.map(|needed| needed.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(allowed(Role::Guest), ["guest"]);
        assert_eq!(allowed(Role::Customer), ["guest", "customer"]);
        assert_eq!(allowed(Role::Gate), ["guest", "customer", "gate"]);
        assert_eq!(allowed(Role::Staff), ["guest", "customer", "gate", "staff"]);
        assert_eq!(
            allowed(Role::Admin),
            ["guest", "customer", "gate", "staff", "admin", "partner"]
        );
        assert_eq!(allowed(Role::Partner), ["guest", "customer", "partner"]);
    }

    #[test]
    fn only_staff_is_not_confined_to_its_own() {
        for role in Role::EVERY {
            let person = Person { id: CustomerId::parse("p").unwrap(), role: *role };
            let staff = matches!(role, Role::Staff | Role::Admin);
            assert_eq!(person.confined_to().is_none(), staff, "{role}");
            assert_eq!(person.actor() == Actor::Staff, staff, "{role}");
        }
    }
}
