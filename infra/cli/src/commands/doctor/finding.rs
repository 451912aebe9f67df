use console::style;
use serde::Serialize;

/// The result of one check.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Ok,
    Warning,
    Problem,
}

impl Finding {
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, detail: detail.into(), remedy: None }
    }

    pub(super) fn warning(
        check: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { check, level: Level::Warning, detail: detail.into(), remedy }
    }

    pub(super) fn problem(
        check: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { check, level: Level::Problem, detail: detail.into(), remedy }
    }

    /// One line, and one for what to do.
    pub(super) fn text(&self) -> String {
        let level = match self.level {
            Level::Ok => style("ok     ").green(),
            Level::Warning => style("warning").yellow(),
            Level::Problem => style("problem").red(),
        };
        let remedy = self.remedy.iter().map(|remedy| format!("\n         {remedy}"));
        format!("{level}  {}: {}{}", self.check, self.detail, remedy.collect::<String>())
    }
}
