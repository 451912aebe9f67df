//! The estimated cost of a campaign: Meta's price per delivered message, by the recipient's
//! country and the message's category.
//!
//! The rates are in `rates.json`, with dates. A country without a known rate is listed as
//! unpriced. Source: Meta, "Pricing on the WhatsApp
//! Business Platform": rates change on the first day of a quarter.

use std::sync::LazyLock;

use carillon_foundations::country::Country;
use jiff::civil::Date;
use serde::Deserialize;

use super::content::WhatsappContent;
use crate::content::Content;
use crate::cost::{CountryCost, Estimate, UnpricedCountry, Warning};
use crate::provider::EstimateRequest;

/// The category by which Meta charges a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Category {
    /// A marketing template.
    Marketing,
    /// A utility template.
    Utility,
    /// An authentication template.
    Authentication,
    /// A message without a template, at the price of a utility template.
    Service,
}

impl Category {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Utility => "utility",
            Self::Authentication => "authentication",
            Self::Service => "service",
        }
    }

    /// The category of a content, and whether it is known. A template without a known
    /// category is priced as marketing, the most expensive one.
    fn of(content: &Content, category: Option<&str>) -> (Self, bool) {
        let template = matches!(WhatsappContent::read(content), Ok(WhatsappContent::Template(_)));
        match category.map(str::to_ascii_lowercase).as_deref() {
            _ if !template => (Self::Service, true),
            Some("marketing") => (Self::Marketing, true),
            Some("utility") => (Self::Utility, true),
            Some("authentication") => (Self::Authentication, true),
            Some(_) | None => (Self::Marketing, false),
        }
    }
}

/// Whether a content is marketing, or may be.
pub(super) fn is_marketing(content: &Content, category: Option<&str>) -> bool {
    Category::of(content, category).0 == Category::Marketing
}

/// Marketing messages to the United States, which are not delivered (error 131049). Source:
/// Meta, "Marketing messages" (since April 2025).
pub(super) fn undelivered(request: &EstimateRequest<'_>) -> Option<Warning> {
    let (category, is_known) = Category::of(request.content, request.category);
    let country = "US".parse().ok()?;
    let recipients = *request.recipients.get(&country)?;
    if category != Category::Marketing || recipients == 0 {
        return None;
    }
    let condition = if is_known { "" } else { " If the template is one for marketing:" };
    let text = format!(
        "{recipients} recipients have a number of the United States (+1).{condition} WhatsApp does not deliver marketing messages there."
    );
    Some(Warning { code: "marketing_not_delivered", text, recipients })
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
    country: Country,
    #[serde(default)]
    marketing: Option<f64>,
    #[serde(default)]
    utility: Option<f64>,
}

/// The rate cards, oldest first. A test reads them.
static CARDS: LazyLock<Vec<Card>> =
    LazyLock::new(|| serde_json::from_str(include_str!("rates.json")).unwrap_or_default());

/// The cost of a message to each recipient.
pub(super) fn estimate(request: &EstimateRequest<'_>) -> Estimate {
    let (category, category_known) = Category::of(request.content, request.category);
    let card = CARDS.iter().rfind(|card| card.effective_from <= request.day);
    let mut estimate = Estimate {
        currency: "USD",
        category: category.as_str(),
        category_known,
        total: 0.0,
        by_country: Vec::new(),
        unpriced: Vec::new(),
        rates_from: card.map(|card| card.effective_from),
        rates_source: card.map(|card| card.source.as_str()),
    };
    for (&country, &recipients) in request.recipients {
        let Some((market, rate)) = card.and_then(|card| card.price(country, category)) else {
            estimate.unpriced.push(UnpricedCountry { country, recipients });
            continue;
        };
        let cost = rounded(rate * recipients as f64);
        estimate.total = rounded(estimate.total + cost);
        estimate.by_country.push(CountryCost { country, market, recipients, rate, cost });
    }
    estimate
}

impl Card {
    fn price(&self, country: Country, category: Category) -> Option<(&str, f64)> {
        let market = self.markets.iter().find(|market| market.country == country)?;
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
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn of(countries: &[(&str, u64)], category: &str, day: Date) -> Estimate {
        let content = json!({"type": "template", "template": {"name": "spring", "language": "es"}});
        let recipients: BTreeMap<Country, u64> =
            countries.iter().map(|(code, count)| (code.parse().unwrap(), *count)).collect();
        estimate(&EstimateRequest {
            content: &serde_json::from_value(content).unwrap(),
            category: Some(category),
            recipients: &recipients,
            day,
        })
    }

    #[test]
    fn the_rates_can_be_read_and_lie_in_order() {
        assert!(!CARDS.is_empty());
        assert!(CARDS.is_sorted_by_key(|card| card.effective_from));
    }

    #[test]
    fn each_country_has_its_rate() {
        let day = Date::constant(2026, 11, 21);
        let estimate = of(&[("CO", 1000), ("MX", 10), ("BR", 1)], "marketing", day);
        assert!((estimate.total - (12.5 + 0.397 + 0.0625)).abs() < 1e-9, "{estimate:?}");
        assert_eq!(estimate.by_country[2].market, "Mexico");
        let utility = of(&[("CO", 1000)], "utility", day);
        assert!((utility.total - 0.8).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_rate_is_named_and_not_invented() {
        let day = Date::constant(2026, 11, 21);
        let estimate = of(&[("DE", 7), ("SA", 2)], "utility", day);
        assert!(estimate.by_country.is_empty() && estimate.total.abs() < 1e-9);
        assert_eq!(estimate.unpriced.len(), 2);
        let before = of(&[("CO", 1)], "marketing", Date::constant(2026, 9, 30));
        assert_eq!((before.rates_from, before.unpriced.len()), (None, 1));
    }
}
