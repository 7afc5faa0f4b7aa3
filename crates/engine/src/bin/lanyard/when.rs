//! Points in time as people write them.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp, Zoned};

/// How long ago (`2h`, `3d`), a time of today, a date, or a date and time; in milliseconds since 1970.
pub fn milliseconds(when: &str, now: &Zoned) -> Option<u64> {
    let zone = now.time_zone().clone();
    let then = if let Ok(span) = when.parse::<Span>() {
        now.checked_sub(span.abs()).ok()?.timestamp()
    } else if let Ok(then) = when.parse::<Timestamp>() {
        then
    } else if let Ok(then) = when.parse::<DateTime>() {
        then.to_zoned(zone).ok()?.timestamp()
    } else if let Ok(time) = when.parse::<Time>() {
        now.date().to_datetime(time).to_zoned(zone).ok()?.timestamp()
    } else {
        when.parse::<Date>().ok()?.to_zoned(zone).ok()?.timestamp()
    };
    u64::try_from(then.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_as_they_are_written() {
        let now: Zoned = "2026-11-20T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        for (when, meant) in [
            ("2h", "2026-11-20T09:00:00Z"),
            ("3d", "2026-11-17T11:00:00Z"),
            ("90min", "2026-11-20T09:30:00Z"),
            ("08:30", "2026-11-20T07:30:00Z"),
            ("2026-11-19", "2026-11-18T23:00:00Z"),
            ("2026-11-19T10:00", "2026-11-19T09:00:00Z"),
            ("2026-11-19 10:00:30", "2026-11-19T09:00:30Z"),
            ("2026-11-19T10:00:00Z", "2026-11-19T10:00:00Z"),
        ] {
            let meant: Timestamp = meant.parse().unwrap();
            assert_eq!(milliseconds(when, &now), Some(meant.as_millisecond() as u64), "{when}");
        }
        for nonsense in ["", "yesterdays", "25:00", "1969-01-01", "tea"] {
            assert_eq!(milliseconds(nonsense, &now), None, "{nonsense}");
        }
    }
}
