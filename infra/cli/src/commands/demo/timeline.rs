//! The counts of each day of sending.

use carillon::time::Date;
use serde::Serialize;

use crate::report::CampaignReport;

#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The days on which messages were sent.
    pub(super) days: Vec<SendingDay>,
    /// The latest report.
    pub(super) report: CampaignReport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct SendingDay {
    pub(super) date: Date,
    /// Recipients sent to, by the report on that day.
    pub(super) recipients: u64,
}

impl Timeline {
    /// Stores the report and attributes newly sent recipients to `date`.
    pub(super) fn record(&mut self, date: Date, report: CampaignReport) {
        let new = (report.sent + report.failed).saturating_sub(self.sent_to());
        self.report = report;
        if new == 0 {
            return;
        }
        match self.days.last_mut().filter(|day| day.date == date) {
            Some(day) => day.recipients += new,
            None => self.days.push(SendingDay { date, recipients: new }),
        }
    }

    /// Recipients sent to on all days.
    pub(super) fn sent_to(&self) -> u64 {
        self.days.iter().map(|day| day.recipients).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_counted_on_the_day_they_were_sent_to() {
        let (first, second) = (Date::constant(2026, 11, 20), Date::constant(2026, 11, 21));
        let report = |sent, failed| CampaignReport { sent, failed, ..CampaignReport::default() };
        let mut timeline = Timeline::default();
        for (date, sent, failed) in
            [(first, 100, 0), (first, 248, 2), (first, 247, 3), (second, 260, 4)]
        {
            timeline.record(date, report(sent, failed));
        }
        let expected = [
            SendingDay { date: first, recipients: 250 },
            SendingDay { date: second, recipients: 14 },
        ];
        assert_eq!(timeline.days, expected);
    }
}
