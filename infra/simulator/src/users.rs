//! The WhatsApp users that the simulator knows.

use std::collections::HashMap;
use std::sync::Arc;

const SERVICE_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

/// A user who received or sent a message.
pub(crate) struct User {
    /// The digits of the `wa_id`, or a user id that the simulator did not issue.
    pub(crate) key: Arc<str>,
    /// Send requests that passed validation and limits.
    pub(crate) attempts: u32,
    /// Accepted messages to the user.
    pub(crate) accepted: u32,
    /// Messages from the user, without generated replies.
    pub(crate) inbound: u32,
    /// When the user last sent a message.
    pub(crate) last_inbound_at: Option<u64>,
    pub(crate) marketing_stopped: bool,
    /// How often the forced error was used.
    pub(crate) forced_errors: u32,
}

impl User {
    fn new(key: Arc<str>) -> Self {
        Self {
            key,
            attempts: 0,
            accepted: 0,
            inbound: 0,
            last_inbound_at: None,
            marketing_stopped: false,
            forced_errors: 0,
        }
    }

    pub(crate) fn has_open_service_window(&self, now: u64) -> bool {
        self.last_inbound_at.is_some_and(|at| now < at + SERVICE_WINDOW_MS)
    }
}

/// All users. Other parts of the state refer to a user by index.
#[derive(Default)]
pub(crate) struct Users {
    by_key: HashMap<Arc<str>, u32>,
    list: Vec<User>,
}

impl Users {
    /// The index of the user with this key.
    pub(crate) fn get_or_create(&mut self, key: &str) -> u32 {
        if let Some(index) = self.by_key.get(key) {
            return *index;
        }
        let (index, key) = (self.list.len() as u32, Arc::<str>::from(key));
        self.by_key.insert(Arc::clone(&key), index);
        self.list.push(User::new(key));
        index
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
}
