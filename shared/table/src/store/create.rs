use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType, StreamSpecification,
    StreamViewType, TimeToLiveSpecification,
};

use super::Table;
use super::error::{StoreError, failure, unavailable};
use crate::Shape;

/// Creates the table where it does not exist: for one machine and for tests. On AWS,
/// `template.yaml` creates it.
pub async fn ensure_table(table: &Table) -> Result<(), StoreError> {
    if table.exists().await? { Ok(()) } else { table.create().await }
}

impl Table {
    async fn exists(&self) -> Result<bool, StoreError> {
        let request = self.client.describe_table().table_name(&self.name);
        match Box::pin(request.send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }

    async fn create(&self) -> Result<(), StoreError> {
        let attributes = [
            Shape::PK,
            Shape::SK,
            Shape::SENT_AT,
            Shape::LISTED_AS,
            Shape::LISTED_AT,
            Shape::UNSPLIT,
        ];
        let definitions = attributes.into_iter().map(attribute).collect::<Result<Vec<_>, _>>()?;
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()
            .map_err(unavailable)?;
        let request = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(definitions))
            .set_key_schema(Some(schema(Shape::PK, Shape::SK)?))
            .global_secondary_indexes(index(
                Shape::BY_CONTACT,
                schema(Shape::SK, Shape::SENT_AT)?,
                ProjectionType::KeysOnly,
            )?)
            .global_secondary_indexes(index(
                Shape::BY_STATUS,
                schema(Shape::LISTED_AS, Shape::LISTED_AT)?,
                ProjectionType::All,
            )?)
            .local_secondary_indexes(local_index()?)
            .stream_specification(stream);
        Box::pin(request.send()).await.map_err(failure)?;
        let ttl = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(Shape::TTL)
            .build()
            .map_err(unavailable)?;
        let request = self
            .client
            .update_time_to_live()
            .table_name(&self.name)
            .time_to_live_specification(ttl);
        Box::pin(request.send()).await.map_err(failure)?;
        Ok(())
    }
}

fn attribute(name: &str) -> Result<AttributeDefinition, StoreError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .map_err(unavailable)
}

fn schema(hash: &str, range: &str) -> Result<Vec<KeySchemaElement>, StoreError> {
    [(hash, KeyType::Hash), (range, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build())
        .collect::<Result<_, _>>()
        .map_err(unavailable)
}

fn index(
    name: &str,
    schema: Vec<KeySchemaElement>,
    projection: ProjectionType,
) -> Result<GlobalSecondaryIndex, StoreError> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(schema))
        .projection(Projection::builder().projection_type(projection).build())
        .build()
        .map_err(unavailable)
}

fn local_index() -> Result<LocalSecondaryIndex, StoreError> {
    LocalSecondaryIndex::builder()
        .index_name(Shape::UNSPLIT)
        .set_key_schema(Some(schema(Shape::PK, Shape::UNSPLIT)?))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .map_err(unavailable)
}
