//! Builds a world.

use std::sync::Arc;

use carillon::channel::Providers;
use carillon::time::{Clock, Timestamp, system_time};
use whatsapp_simulator::{Behaviour, Config, Simulator};

use crate::host_setup::{APP_SECRET, HostSetup, VERIFY_TOKEN};
use crate::logs;
use crate::{FaultRates, World};

/// When the clock starts: a Saturday morning.
const START: Timestamp = Timestamp::constant(1_795_255_200, 0);

/// The settings of a [`World`].
#[derive(Debug)]
pub struct WorldBuilder {
    behaviour: Behaviour,
    rate: f64,
    senders: usize,
    faults: Option<FaultRates>,
    providers: fn(Providers) -> Providers,
    whatsapp: fn(Config) -> Config,
}

impl Default for WorldBuilder {
    fn default() -> Self {
        Self {
            behaviour: Behaviour::all_read(),
            rate: 30.0,
            senders: 4,
            faults: None,
            providers: |standard| standard,
            whatsapp: |config| config,
        }
    }
}

/// Worlds as most tests need them.
impl World {
    /// A world with other settings than [`World::new`]'s.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::default()
    }

    /// A world in which every message is delivered and read, and nobody replies.
    pub async fn new() -> Self {
        Self::builder().build().await
    }

    /// A world whose simulator behaves like this.
    pub async fn with(behaviour: Behaviour) -> Self {
        Self::builder().behaviour(behaviour).build().await
    }

    /// A world whose simulator accepts every message and sends no statuses.
    pub async fn silent() -> Self {
        Self::with(Behaviour::no_webhooks()).await
    }
}

impl WorldBuilder {
    /// How the simulator behaves. By default it delivers every message, the
    /// recipients read it, and nobody replies.
    #[must_use]
    pub fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// How many times faster than real time the clock runs, 30 by default.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// How many batches of each queue are sent at the same time, 4 by default.
    #[must_use]
    pub fn senders(mut self, senders: usize) -> Self {
        self.senders = senders;
        self
    }

    /// Puts fault proxies in front of the engines, with these rates once the host has
    /// started. The stream's records come in three shards and twice, too.
    #[must_use]
    pub fn faults(mut self, rates: FaultRates) -> Self {
        self.faults = Some(rates);
        self
    }

    /// The providers of the host, made from the product's own.
    #[must_use]
    pub fn providers(mut self, providers: fn(Providers) -> Providers) -> Self {
        self.providers = providers;
        self
    }

    /// The configuration of the simulator, made from the usual one.
    #[must_use]
    pub fn whatsapp(mut self, whatsapp: fn(Config) -> Config) -> Self {
        self.whatsapp = whatsapp;
        self
    }

    /// Starts everything.
    ///
    /// # Panics
    /// If something can't be started.
    pub async fn build(self) -> World {
        logs::write_to_file();
        let clock = Clock::movable(START, self.rate);
        let config = (self.whatsapp)(simulator_config(self.behaviour, &clock));
        let simulator = Simulator::start(config).await;
        let setup = HostSetup {
            clock,
            folder: tempfile::tempdir().expect("a temporary folder"),
            // All tests share external engines.
            name: format!("carillon-{:08x}", rand::random::<u32>()),
            senders: self.senders,
            faults: self.faults,
            providers: self.providers,
        };
        World::open(setup, simulator.expect("the simulator starts")).await
    }
}

fn simulator_config(behaviour: Behaviour, clock: &Clock) -> Config {
    let clock = clock.clone();
    Config {
        behaviour,
        app_secret: APP_SECRET.to_owned(),
        verify_token: VERIFY_TOKEN.to_owned(),
        clock: Arc::new(move || system_time(clock.now())),
        ..Config::default()
    }
}
