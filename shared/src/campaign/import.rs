use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ImportId;

/// How many lines are named where something is missing.
const NAMED_LINES: usize = 5;

/// What one upload of recipients brought: enough to tell, before a campaign
/// starts, which variable of its message has no value on which line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// The upload.
    pub id: ImportId,
    /// When it came.
    pub at: Timestamp,
    /// How many recipients it added.
    pub added: u64,
    /// The first lines it added, for columns the whole upload lacks.
    pub first_lines: Vec<u64>,
    /// What it knows of each column.
    pub columns: BTreeMap<String, ColumnFacts>,
    /// How many it added by country calling code, for the cost estimate.
    pub countries: BTreeMap<String, u64>,
}

/// What an upload knows of one column, over the recipients it added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// On how many lines it was empty.
    pub empty: u64,
    /// The first of those lines.
    pub first_empty: Vec<u64>,
}

/// A variable of the message without a value for some recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingColumn {
    /// The variable.
    pub variable: String,
    /// How many recipients lack it.
    pub recipients: u64,
    /// The first lines that lack it, of the first upload that does.
    pub first_lines: Vec<u64>,
}

impl Import {
    /// An upload that has brought nothing yet.
    pub fn new(id: ImportId, at: Timestamp) -> Self {
        Self {
            id,
            at,
            added: 0,
            first_lines: Vec::new(),
            columns: BTreeMap::new(),
            countries: BTreeMap::new(),
        }
    }

    /// Counts a recipient that was added.
    pub fn count(&mut self, line: u64, columns: &BTreeMap<String, String>, country: &str) {
        self.added += 1;
        name_line(&mut self.first_lines, line);
        *self.countries.entry(country.to_owned()).or_default() += 1;
        for (name, value) in columns {
            let facts = self.columns.entry(name.clone()).or_default();
            if value.trim().is_empty() {
                facts.empty += 1;
                name_line(&mut facts.first_empty, line);
            }
        }
    }

    fn lacks(&self, variable: &str) -> Option<(u64, &[u64])> {
        match self.columns.get(variable) {
            None if self.added > 0 => Some((self.added, &self.first_lines)),
            Some(facts) if facts.empty > 0 => Some((facts.empty, &facts.first_empty)),
            None | Some(_) => None,
        }
    }
}

/// Lines are counted as they settle, not in their order: keep the lowest.
fn name_line(lines: &mut Vec<u64>, line: u64) {
    let position = lines.partition_point(|known| *known < line);
    if position < NAMED_LINES {
        lines.insert(position, line);
        lines.truncate(NAMED_LINES);
    }
}

/// The variables that some recipients have no value for, over all uploads.
pub fn missing_columns(variables: &BTreeSet<String>, imports: &[Import]) -> Vec<MissingColumn> {
    let missing = |variable: &String| {
        let lacking: Vec<_> = imports.iter().filter_map(|import| import.lacks(variable)).collect();
        let (_, first_lines) = lacking.first()?;
        Some(MissingColumn {
            variable: variable.clone(),
            recipients: lacking.iter().map(|(count, _)| count).sum(),
            first_lines: first_lines.to_vec(),
        })
    };
    variables.iter().filter_map(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdSource;

    fn import(rows: &[(u64, &[(&str, &str)])]) -> Import {
        let now = Timestamp::UNIX_EPOCH;
        let mut import = Import::new(ImportId::from_uuid(IdSource::seeded(1).uuid(now)), now);
        for (line, columns) in rows {
            let columns = columns.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            import.count(*line, &columns, "57");
        }
        import
    }

    #[test]
    fn a_missing_value_is_named_with_its_lines() {
        let import =
            import(&[(4, &[("name", "")]), (2, &[("name", "Ana")]), (3, &[("name", " ")])]);
        let variables = BTreeSet::from(["name".to_owned(), "city".to_owned()]);
        let missing = missing_columns(&variables, &[import]);
        assert_eq!(missing[0].variable, "city");
        assert_eq!(missing[0].first_lines, [2, 3, 4]);
        assert_eq!((missing[1].recipients, missing[1].first_lines.clone()), (2, vec![3, 4]));
    }
}
