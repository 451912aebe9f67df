use std::collections::{BTreeMap, BTreeSet};

use carillon_foundations::country::Country;
use carillon_foundations::ids::ImportId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many lines are listed for a missing value.
const MAX_LISTED_LINES: usize = 5;

/// The summary of one upload of recipients: before a campaign starts, it shows which
/// variable of the message has no value on which line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// The upload.
    pub id: ImportId,
    /// When it began.
    pub at: Timestamp,
    /// How many recipients it added.
    pub added: u64,
    /// The first lines that it added, for columns that the whole upload lacks.
    pub first_lines: Vec<u64>,
    /// Each column.
    pub columns: BTreeMap<String, ColumnFacts>,
    /// How many recipients it added in each country, for the cost estimate.
    pub countries: BTreeMap<Country, u64>,
}

/// The empty values of one column of an upload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// The number of lines without a value.
    pub empty: u64,
    /// The first of those lines.
    pub first_empty: Vec<u64>,
}

/// A variable of the message that some recipients have no value for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingColumn {
    /// The variable.
    pub variable: String,
    /// The number of recipients without a value.
    pub recipients: u64,
    /// The first such lines, of the first upload with any.
    pub first_lines: Vec<u64>,
}

impl Import {
    /// The summary of an upload without recipients.
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
    pub fn count(&mut self, line: u64, columns: &BTreeMap<String, String>, country: Country) {
        self.added += 1;
        list_line(&mut self.first_lines, line);
        *self.countries.entry(country).or_default() += 1;
        for (name, value) in columns {
            let facts = self.columns.entry(name.clone()).or_default();
            if value.trim().is_empty() {
                facts.empty += 1;
                list_line(&mut facts.first_empty, line);
            }
        }
    }

    /// Adds the summary of a later upload: both are one upload then, with this one's id.
    pub fn join(&mut self, later: Self) {
        if self.added == 0 {
            let (id, at) = (self.id, self.at);
            *self = Self { id, at, ..later };
            return;
        }
        for (name, facts) in &mut self.columns {
            let Some((lacking, lines)) = later.lacks(name) else { continue };
            facts.empty += lacking;
            if facts.first_empty.is_empty() {
                facts.first_empty = lines.to_vec();
            }
        }
        for (name, facts) in later.columns {
            let new = || ColumnFacts {
                empty: self.added + facts.empty,
                first_empty: self.first_lines.clone(),
            };
            self.columns.entry(name).or_insert_with(new);
        }
        for (country, count) in later.countries {
            *self.countries.entry(country).or_default() += count;
        }
        self.added += later.added;
    }

    fn lacks(&self, variable: &str) -> Option<(u64, &[u64])> {
        match self.columns.get(variable) {
            None if self.added > 0 => Some((self.added, &self.first_lines)),
            Some(facts) if facts.empty > 0 => Some((facts.empty, &facts.first_empty)),
            None | Some(_) => None,
        }
    }
}

/// Lines are counted in the order in which their writes end: keep the lowest ones.
fn list_line(lines: &mut Vec<u64>, line: u64) {
    let position = lines.partition_point(|known| *known < line);
    if position < MAX_LISTED_LINES {
        lines.insert(position, line);
        lines.truncate(MAX_LISTED_LINES);
    }
}

/// The variables that some recipients of all uploads have no value for.
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
    use carillon_foundations::ids::IdSource;

    fn import(rows: &[(u64, &[(&str, &str)])]) -> Import {
        let now = Timestamp::UNIX_EPOCH;
        let mut import = Import::new(ImportId::from_uuid(IdSource::seeded(1).uuid(now)), now);
        for (line, columns) in rows {
            let columns = columns.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            import.count(*line, &columns, "CO".parse().unwrap());
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
    #[test]
    fn uploads_that_are_joined_lack_what_they_lacked_one_by_one() {
        let uploads = [
            import(&[]),
            import(&[(2, &[("name", "Ana"), ("city", "Lima")]), (3, &[("name", "Eva")])]),
            import(&[(2, &[("name", ""), ("code", "7")]), (3, &[("name", "Ida")])]),
            import(&[(5, &[("city", " ")])]),
            import(&[]),
            import(&[(6, &[("code", ""), ("name", "Ada"), ("city", "Rome")])]),
        ];
        let variables = ["name", "city", "code", "none"].map(str::to_owned).into();
        let mut joined = import(&[]);
        for upload in &uploads {
            joined.join(upload.clone());
        }
        assert_eq!(joined.added, 6);
        assert_eq!(joined.countries.values().sum::<u64>(), 6);
        let one_by_one = missing_columns(&variables, &uploads);
        assert_eq!(one_by_one.len(), 4);
        assert_eq!(missing_columns(&variables, &[joined]), one_by_one);
    }
}
