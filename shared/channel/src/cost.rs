//! What messages cost, and what to expect of them.

use carillon_foundations::country::Country;
use carillon_foundations::time::Date;
use serde::Serialize;
use utoipa::ToSchema;

/// The cost of a campaign if every message is delivered and none is free.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The currency of all amounts.
    pub currency: &'static str,
    /// The provider's category of the message, such as `marketing`.
    pub category: &'static str,
    /// Whether the category is known from a template; otherwise it is the most
    /// expensive one.
    pub category_known: bool,
    /// The cost of all messages, without the countries in `unpriced`.
    pub total: f64,
    /// The cost in each country.
    pub by_country: Vec<CountryCost>,
    /// The countries whose price is not known.
    pub unpriced: Vec<UnpricedCountry>,
    /// The first day of the prices; none where no prices are known for the day.
    pub rates_from: Option<Date>,
    /// The source of the prices.
    pub rates_source: Option<&'static str>,
}

/// The cost of the messages to one country.
#[derive(Debug, Clone, PartialEq)]
pub struct CountryCost {
    /// The country.
    pub country: Country,
    /// The provider's market.
    pub market: &'static str,
    /// The number of recipients.
    pub recipients: u64,
    /// The price of one message.
    pub rate: f64,
    /// The price of all messages.
    pub cost: f64,
}

/// Something that a provider will not do as one may expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// A word that stays the same.
    pub code: &'static str,
    /// What to expect, in plain words.
    pub text: String,
    /// How many recipients it concerns.
    pub recipients: u64,
}

/// A country whose price is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnpricedCountry {
    /// The country; `ZZ` where the address does not reveal it.
    pub country: Country,
    /// The number of recipients.
    pub recipients: u64,
}
