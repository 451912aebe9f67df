//! The WhatsApp users that the simulator knows, by phone number and user id.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ids;
use crate::user::{Identity, User};

/// All users. Other parts of the state refer to a user by index.
pub(crate) struct Users {
    seed: u64,
    /// By `wa_id`, and by user id unless the id names its phone number.
    by_address: HashMap<Arc<str>, u32>,
    /// How many user ids were given up for each phone number.
    retired_ids: HashMap<Arc<str>, u32>,
    list: Vec<User>,
}

impl Users {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, by_address: HashMap::new(), retired_ids: HashMap::new(), list: Vec::new() }
    }

    /// The user with this `wa_id` or user id.
    pub(crate) fn find_or_create(&mut self, address: &str) -> u32 {
        if let Some(index) = self.by_address.get(address) {
            return *index;
        }
        match ids::phone_of(self.seed, address) {
            Some(phone) => self.find_or_create(&phone),
            None => self.register(address),
        }
    }

    pub(crate) fn get(&self, index: u32) -> &User {
        &self.list[index as usize]
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> &mut User {
        &mut self.list[index as usize]
    }

    pub(crate) fn reset_forced_errors(&mut self) {
        for user in &mut self.list {
            user.forced_errors = 0;
        }
    }

    /// Moves a user to another phone number. Nobody has the old number afterwards,
    /// and whoever had the new number loses it. Returns the user.
    pub(crate) fn change_number(&mut self, old: &str, new: &str) -> u32 {
        let user = self.find_or_create(old);
        self.vacate(old);
        let previous = self.vacate(new);
        let identity = self.issue_identity(new);
        self.insert(&identity, user);
        self.get_mut(user).identity = Arc::new(identity);
        self.continue_counts(user, previous);
        user
    }

    /// Gives a phone number to a new user. Whoever had it loses it. Returns the new
    /// user.
    pub(crate) fn recycle_number(&mut self, phone: &str) -> u32 {
        let previous = self.vacate(phone);
        let user = self.register(phone);
        self.continue_counts(user, previous);
        user
    }

    /// Takes a phone number and its user id from their user. Returns the unregistered
    /// user who has the number from now on. `None`: the number is new.
    fn vacate(&mut self, phone: &str) -> Option<u32> {
        let holder = *self.by_address.get(phone)?;
        if !self.get(holder).is_registered {
            return Some(holder);
        }
        let identity = Arc::clone(&self.get(holder).identity);
        let Identity { key, user_id } = &*identity;
        *self.retired_ids.entry(Arc::clone(key)).or_default() += 1;
        if let Some(user_id) = user_id {
            let key = Arc::clone(user_id);
            self.push_unregistered(Identity { key, user_id: Some(Arc::clone(user_id)) });
        }
        let vacant = self.push_unregistered(Identity { key: Arc::clone(key), user_id: None });
        self.continue_counts(vacant, Some(holder));
        Some(vacant)
    }

    fn push_unregistered(&mut self, identity: Identity) -> u32 {
        let index = self.push(identity);
        self.get_mut(index).is_registered = false;
        index
    }

    fn register(&mut self, address: &str) -> u32 {
        let identity = self.issue_identity(address);
        self.push(identity)
    }

    fn push(&mut self, identity: Identity) -> u32 {
        let index = self.list.len() as u32;
        self.insert(&identity, index);
        self.list.push(User::new(self.seed, identity));
        index
    }

    /// Makes the user answer to the identity. The first user id of a phone number
    /// names the number, so it needs no entry.
    fn insert(&mut self, identity: &Identity, index: u32) {
        self.by_address.insert(Arc::clone(&identity.key), index);
        if let Some(user_id) = &identity.user_id
            && ids::phone_of(self.seed, user_id).as_deref() != Some(&*identity.key)
        {
            self.by_address.insert(Arc::clone(user_id), index);
        }
    }

    /// A new identity for this `wa_id` or user id.
    fn issue_identity(&self, address: &str) -> Identity {
        let key = Arc::<str>::from(address);
        let user_id = match self.retired_ids.get(address) {
            None => ids::user_id(self.seed, address).map(Arc::from),
            Some(retired) => Some(ids::reissued_user_id(self.seed, address, *retired).into()),
        };
        let is_user_id = address.contains('.');
        let user_id = if is_user_id { Some(Arc::clone(&key)) } else { user_id };
        Identity { key, user_id }
    }

    fn continue_counts(&mut self, user: u32, previous: Option<u32>) {
        let counts = previous.map(|previous| self.get(previous).counts);
        self.get_mut(user).counts.continue_from(counts.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = "14155550101";

    fn user_id(users: &Users, index: u32) -> String {
        users.get(index).identity.user_id.as_deref().unwrap().to_owned()
    }

    #[test]
    fn a_user_id_resolves_to_the_user_of_its_phone_number() {
        let mut users = Users::new(1);
        let id = ids::user_id(1, PHONE).unwrap();
        let user = users.find_or_create(&id);
        assert_eq!(users.find_or_create(PHONE), user);
        assert_eq!(&*users.get(user).identity.key, PHONE);
        let unknown = users.find_or_create("US.ENT.x1");
        assert_eq!(users.get(unknown).identity.wa_id(), None);
        assert_eq!(user_id(&users, unknown), "US.ENT.x1");
    }

    #[test]
    fn a_changed_number_and_its_user_id_belong_to_nobody() {
        let mut users = Users::new(1);
        let user = users.find_or_create(PHONE);
        let old_id = user_id(&users, user);
        assert_eq!(users.change_number(PHONE, "14155550102"), user);
        assert_eq!(users.find_or_create("14155550102"), user);
        assert_eq!(users.find_or_create(&user_id(&users, user)), user);
        for address in [PHONE, &old_id] {
            let nobody = users.find_or_create(address);
            assert!(!users.get(nobody).is_registered);
        }
    }

    #[test]
    fn a_recycled_number_has_a_new_user_whose_message_ids_are_new() {
        let mut users = Users::new(1);
        let first = users.find_or_create(PHONE);
        users.get_mut(first).counts.accepted = 3;
        users.change_number(PHONE, "14155550102");
        let second = users.recycle_number(PHONE);
        assert_ne!(second, first);
        assert_eq!(users.find_or_create(PHONE), second);
        assert_eq!(users.get(second).counts.accepted, 3);
        assert_eq!(users.find_or_create(&user_id(&users, second)), second);
        assert_ne!(user_id(&users, second), ids::user_id(1, PHONE).unwrap());

        let third = users.recycle_number(PHONE);
        assert_ne!(user_id(&users, third), user_id(&users, second));
        let retired = users.find_or_create(&user_id(&users, second));
        assert!(!users.get(retired).is_registered);
    }
}
