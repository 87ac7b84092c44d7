//! Points in time, in whole seconds.
//!
//! Nothing here reads a clock: `world.rs` does.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Whole seconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From seconds since the Unix epoch.
    pub const fn from_unix(seconds: i64) -> Self {
        Timestamp(seconds)
    }

    /// From RFC 3339 in UTC (`2030-01-01T00:00:00Z`), without its fraction; none for another text.
    pub fn parse(text: &str) -> Option<Self> {
        let time = humantime::parse_rfc3339(text).ok()?;
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok().map(Timestamp)
    }

    /// Seconds since the Unix epoch.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// The moment `seconds` later; earlier for a negative number. Stays at the ends of the range.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Timestamp(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this moment; negative if it is the other way round.
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC, to the second; the number itself where the year is beyond 9999.
    pub fn rfc3339(self) -> String {
        let (Ok(seconds), true) = (u64::try_from(self.0), self.0 < 253_402_300_800) else {
            return self.0.to_string();
        };
        humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
    }

    /// How far away it is, in at most two units: `in 3h 5m`, `2d ago`, `now`.
    pub fn relative(self, now: Timestamp) -> String {
        let gap = self.since(now);
        let away = gap.unsigned_abs();
        let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
        let Some(first) = units.iter().position(|(size, _)| away >= *size) else {
            return "now".into();
        };
        let (size, name) = units[first];
        let mut text = format!("{}{name}", away / size);
        if let Some((next, name)) = units.get(first + 1).filter(|(next, _)| away % size >= *next) {
            text += &format!(" {}{name}", away % size / next);
        }
        if gap > 0 {
            format!("in {text}")
        } else {
            format!("{text} ago")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_in_utc_to_the_second() {
        assert_eq!(Timestamp::from_unix(1_893_456_000).rfc3339(), "2030-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_unix(i64::MAX).rfc3339(), i64::MAX.to_string());
        assert_eq!(Timestamp::from_unix(-1).rfc3339(), "-1");
    }

    #[test]
    fn rfc3339_is_read_back_to_the_second() {
        for (text, expected) in [
            ("2030-01-01T00:00:00Z", Some(1_893_456_000)),
            ("2030-01-01T00:00:00.999Z", Some(1_893_456_000)),
            ("2030-01-01T00:00:00", None),
            ("2030-01-01", None),
            ("1960-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::unix), expected, "{text}");
        }
    }

    #[test]
    fn relative_names_two_units() {
        let now = Timestamp::from_unix(1_000_000);
        for (seconds, text) in [
            (0, "now"),
            (59, "in 59s"),
            (3_660, "in 1h 1m"),
            (-86_400, "1d ago"),
            (-90_061, "1d 1h ago"),
        ] {
            assert_eq!(now.plus(seconds).relative(now), text);
        }
    }

    #[test]
    fn arithmetic_stays_at_the_ends() {
        assert_eq!(Timestamp::from_unix(i64::MAX).plus(1).unix(), i64::MAX);
        assert_eq!(Timestamp::from_unix(i64::MIN).since(Timestamp::from_unix(1)), i64::MIN);
    }
}
