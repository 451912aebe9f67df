use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::attachment::Attachment;

/// One value.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Parameter {
    /// A text; in a URL button, the end of the address.
    Text {
        /// Which variable, in a template with named ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameter_name: Option<String>,
        /// What stands in its place. Line breaks, tabs and long runs of spaces
        /// become one space.
        text: String,
    },
    /// An amount of money.
    Currency {
        /// Which variable, in a template with named ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameter_name: Option<String>,
        /// The amount.
        currency: Currency,
    },
    /// A date or a time.
    DateTime {
        /// Which variable, in a template with named ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameter_name: Option<String>,
        /// The moment.
        date_time: DateTime,
    },
    /// A header's image.
    Image {
        /// The file.
        image: Attachment,
    },
    /// A header's video.
    Video {
        /// The file.
        video: Attachment,
    },
    /// A header's document.
    Document {
        /// The file.
        document: Attachment,
    },
    /// A header's place.
    Location {
        /// The place.
        location: Location,
    },
    /// A carousel card's product.
    Product {
        /// The product.
        product: Product,
    },
    /// What a quick-reply button sends back.
    Payload {
        /// The text, which the contact doesn't see.
        payload: String,
    },
    /// The code of a copy-code button.
    CouponCode {
        /// The code.
        coupon_code: String,
    },
    /// What a Flow or catalogue button does.
    Action {
        /// The action.
        action: ButtonAction,
    },
    /// The end of a limited-time offer.
    LimitedTimeOffer {
        /// When it ends.
        limited_time_offer: CouponDeadline,
    },
}

/// An amount of money.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Currency {
    /// What is shown when the phone can't write the amount itself.
    pub fallback_value: String,
    /// An ISO 4217 code such as `COP`.
    pub code: String,
    /// The amount times 1000.
    pub amount_1000: i64,
}

/// A date or a time. WhatsApp shows the text and ignores Meta's other fields.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DateTime {
    /// What is shown.
    pub fallback_value: String,
}

/// A place. In JSON the two coordinates may also be numbers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Degrees north.
    #[serde(deserialize_with = "coordinate")]
    pub latitude: String,
    /// Degrees east.
    #[serde(deserialize_with = "coordinate")]
    pub longitude: String,
    /// What the place is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A product of the catalogue.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The product's id (SKU).
    pub product_retailer_id: String,
    /// The catalogue's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_id: Option<String>,
}

/// What a Flow or catalogue button does.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ButtonAction {
    /// What a Flow hands back with its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_token: Option<String>,
    /// What a Flow's first screen starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub flow_action_data: Option<Value>,
    /// The product whose picture is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail_product_retailer_id: Option<String>,
    /// The products, in sections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub sections: Option<Value>,
}

/// The end of a limited-time offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CouponDeadline {
    /// Milliseconds since 1970, UTC.
    pub expiration_time_ms: i64,
}

impl Parameter {
    /// Its `type` in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Currency { .. } => "currency",
            Self::DateTime { .. } => "date_time",
            Self::Image { .. } => "image",
            Self::Video { .. } => "video",
            Self::Document { .. } => "document",
            Self::Location { .. } => "location",
            Self::Product { .. } => "product",
            Self::Payload { .. } => "payload",
            Self::CouponCode { .. } => "coupon_code",
            Self::Action { .. } => "action",
            Self::LimitedTimeOffer { .. } => "limited_time_offer",
        }
    }

    /// The variable that it names, in a template with named ones.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Text { parameter_name, .. }
            | Self::Currency { parameter_name, .. }
            | Self::DateTime { parameter_name, .. } => parameter_name.as_deref(),
            _ => None,
        }
    }

    /// What it shows in place of a variable, if it fills one.
    pub fn shown(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            Self::Currency { currency, .. } => Some(&currency.fallback_value),
            Self::DateTime { date_time, .. } => Some(&date_time.fallback_value),
            _ => None,
        }
    }

    /// Meta refuses line breaks, tabs and more than four spaces in a row.
    pub(super) fn normalise(&mut self) {
        let text = match self {
            Self::Text { text, .. } => text,
            Self::Currency { currency, .. } => &mut currency.fallback_value,
            Self::DateTime { date_time, .. } => &mut date_time.fallback_value,
            Self::Image { .. }
            | Self::Video { .. }
            | Self::Document { .. }
            | Self::Location { .. }
            | Self::Product { .. }
            | Self::Payload { .. }
            | Self::CouponCode { .. }
            | Self::Action { .. }
            | Self::LimitedTimeOffer { .. } => return,
        };
        if text.contains(['\n', '\r', '\t']) || text.contains("     ") {
            *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a coordinate in degrees")]
enum CoordinateForm {
    Text(String),
    Degrees(f64),
}

fn coordinate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    CoordinateForm::deserialize(deserializer).map(|form| match form {
        CoordinateForm::Text(text) => text,
        CoordinateForm::Degrees(degrees) => degrees.to_string(),
    })
}
