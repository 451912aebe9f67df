//! What a campaign may cost: Meta's price a delivered message, by the
//! recipient's country and the message's category.
//!
//! The rates are data with dates (`rates.json`). A country without a known rate
//! is named as unpriced, never guessed. Source: Meta, "Pricing on the WhatsApp
//! Business Platform": rates change on the first day of a quarter.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::template::TemplateCategory;

/// What Meta charges a message as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A marketing template.
    Marketing,
    /// A utility template.
    Utility,
    /// An authentication template.
    Authentication,
    /// Anything that is no template; at the price of a utility template.
    Service,
}

impl From<TemplateCategory> for Category {
    fn from(category: TemplateCategory) -> Self {
        match category {
            TemplateCategory::Marketing => Self::Marketing,
            TemplateCategory::Utility => Self::Utility,
            TemplateCategory::Authentication => Self::Authentication,
        }
    }
}

/// What a campaign costs if every message is delivered and none is free.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Estimate {
    /// The currency of all amounts.
    pub currency: &'static str,
    /// What the message is charged as.
    pub category: Category,
    /// The most that it costs, without the countries in `unpriced`.
    pub total: f64,
    /// Country by country.
    pub by_country: Vec<CountryCost>,
    /// Countries whose rate is not known here.
    pub unpriced: Vec<Unpriced>,
    /// Since when the rates are valid; none when none are known for the day.
    #[schema(value_type = Option<String>, format = Date)]
    pub rates_from: Option<Date>,
    /// Where the rates are from.
    pub rates_source: Option<&'static str>,
}

/// The cost of one country's messages.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CountryCost {
    /// The country calling code, or two letters.
    pub country: String,
    /// Meta's market.
    pub market: &'static str,
    /// How many recipients.
    pub recipients: u64,
    /// The price of one message.
    pub rate: f64,
    /// The price of all.
    pub cost: f64,
}

/// A country whose rate is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Unpriced {
    /// The country calling code, or two letters.
    pub country: String,
    /// How many recipients.
    pub recipients: u64,
}

#[derive(Debug, Deserialize)]
struct Card {
    effective_from: Date,
    source: String,
    markets: Vec<Market>,
}

#[derive(Debug, Deserialize)]
struct Market {
    name: String,
    calling_code: String,
    country: String,
    #[serde(default)]
    marketing: Option<f64>,
    #[serde(default)]
    utility: Option<f64>,
}

/// The rate cards, oldest first. A test reads them.
static CARDS: LazyLock<Vec<Card>> =
    LazyLock::new(|| serde_json::from_str(include_str!("rates.json")).unwrap_or_default());

/// What it costs to write to so many recipients in each country on `day`.
pub fn estimate(recipients: &BTreeMap<String, u64>, category: Category, day: Date) -> Estimate {
    let card = CARDS.iter().rfind(|card| card.effective_from <= day);
    let mut estimate = Estimate {
        currency: "USD",
        category,
        total: 0.0,
        by_country: Vec::new(),
        unpriced: Vec::new(),
        rates_from: card.map(|card| card.effective_from),
        rates_source: card.map(|card| card.source.as_str()),
    };
    for (country, count) in recipients {
        let (country, recipients) = (country.clone(), *count);
        let Some((market, rate)) = card.and_then(|card| card.price(&country, category)) else {
            estimate.unpriced.push(Unpriced { country, recipients });
            continue;
        };
        let cost = rounded(rate * recipients as f64);
        estimate.total = rounded(estimate.total + cost);
        estimate.by_country.push(CountryCost { country, market, recipients, rate, cost });
    }
    estimate
}

impl Card {
    fn price(&self, country: &str, category: Category) -> Option<(&str, f64)> {
        let market = self
            .markets
            .iter()
            .find(|market| market.calling_code == country || market.country == country)?;
        let rate = match category {
            Category::Marketing => market.marketing,
            Category::Utility | Category::Authentication | Category::Service => market.utility,
        };
        Some((&market.name, rate?))
    }
}

/// To a hundredth of a cent, as Meta writes its rates.
fn rounded(amount: f64) -> f64 {
    (amount * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(countries: &[(&str, u64)], category: Category, day: Date) -> Estimate {
        let countries = countries.iter().map(|(name, count)| ((*name).to_owned(), *count));
        estimate(&countries.collect(), category, day)
    }

    #[test]
    fn the_rates_can_be_read_and_lie_in_order() {
        assert!(!CARDS.is_empty());
        assert!(CARDS.is_sorted_by_key(|card| card.effective_from));
    }

    #[test]
    fn each_country_has_its_rate() {
        let day = Date::constant(2026, 11, 21);
        let estimate = of(&[("57", 1000), ("52", 10), ("BR", 1)], Category::Marketing, day);
        assert!((estimate.total - (12.5 + 0.397 + 0.0625)).abs() < 1e-9, "{estimate:?}");
        assert_eq!(estimate.by_country[0].market, "Mexico");
        let utility = of(&[("57", 1000)], Category::Utility, day);
        assert!((utility.total - 0.8).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_rate_is_named_and_not_invented() {
        let day = Date::constant(2026, 11, 21);
        let estimate = of(&[("49", 7), ("966", 2)], Category::Utility, day);
        assert!(estimate.by_country.is_empty() && estimate.total.abs() < 1e-9);
        assert_eq!(estimate.unpriced.len(), 2);
        let before = of(&[("57", 1)], Category::Marketing, Date::constant(2026, 9, 30));
        assert_eq!((before.rates_from, before.unpriced.len()), (None, 1));
    }
}
