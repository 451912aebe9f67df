//! The configuration of the simulator that `serve` and `demo` start in this process.

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Delay, Delays, Limits, Number};

/// Unique users that the business portfolio may reach in 24 hours.
pub(crate) const PORTFOLIO_LIMIT: u32 = 2000;
/// Throughput of the number, in messages a second.
pub(crate) const THROUGHPUT: u32 = 80;
/// Name of the approved template.
pub(crate) const TEMPLATE: &str = "spring_offer";

/// A simulator with one number at Meta's limits for a verified business and one
/// approved template.
pub(crate) fn built_in(behaviour: Behaviour) -> Config {
    Config {
        numbers: vec![Number {
            messaging_limit: "TIER_2K".to_owned(),
            throughput: Some(THROUGHPUT),
            ..Number::default()
        }],
        limits: Limits::meta(PORTFOLIO_LIMIT),
        templates: vec![template()],
        behaviour,
        ..Config::default()
    }
}

/// Realistic outcomes within minutes, for a user who watches them.
pub(crate) fn fast_behaviour() -> Behaviour {
    let delays = Delays {
        sent: Delay::between(200, 800, 3_000),
        delivered: Delay::between(300, 3_000, 30_000),
        read: Delay::between(2_000, 30_000, 300_000),
        reply: Delay::between(5_000, 45_000, 300_000),
        ..Delays::realistic()
    };
    Behaviour { delays, ..Behaviour::realistic() }
}

fn template() -> Value {
    json!({
        "name": TEMPLATE,
        "language": "es",
        "status": "APPROVED",
        "category": "MARKETING",
        "components": [{
            "type": "BODY",
            "text": "Hola {{1}}, esta semana tienes 20 % de descuento. ¿Te apartamos algo?",
            "example": { "body_text": [["Ana"]] }
        }]
    })
}

/// The request body that creates a connection to the simulator's first number.
pub(crate) fn connection_request(simulator: &Config) -> Value {
    let number = simulator.numbers.first().cloned().unwrap_or_default();
    let token = simulator.tokens.first().map_or("simulator-token", String::as_str);
    json!({
        "name": "Simulator",
        "provider": {
            "type": "whatsapp_cloud",
            "whatsapp_cloud": { "phone_number_id": number.id, "waba_id": number.waba_id },
        },
        "credentials": {
            "access_token": token,
            "app_secret": simulator.app_secret,
            "verify_token": simulator.verify_token,
        },
        "throughput_mps": simulator.limits.throughput.unwrap_or(THROUGHPUT),
        "quota_limit": simulator.limits.portfolio_users.unwrap_or(PORTFOLIO_LIMIT),
    })
}
