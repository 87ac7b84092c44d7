//! How much life a stored token has left, and whether that is enough.
//!
//! Only the wall clock is used: a monotonic one stands still while a machine sleeps.

use super::Wants;
use crate::oauth::id_token;
use crate::record::Record;
use crate::time::Timestamp;
use crate::world::World;

/// A token counts as ended this long before it does, but never more than a tenth of its life, in whole seconds rounded up:
/// one that lives for seconds would be served to its very end. At half of it a slow tool sends ended tokens over a bad link;
/// at double, short-lived tokens are refreshed more often than needed.
const SKEW_SECS: i64 = 60;

/// A refresh is tried in the foreground, and may fail, from this long before the end, or the last fifth of a short life.
pub(super) const SOFT_SECS: i64 = 300;

/// A clock this far before the moment at which the token was obtained says nothing about its end.
const CLOCK_SECS: i64 = 300;

/// The longest that an issuer can shut us up.
pub(super) const MAX_REST_SECS: i64 = 600;

/// Whether the issuer is to be left alone at this moment.
///
/// A rest that is further away than any that is ever noted was noted by a clock that was wrong.
pub(super) fn rests(record: &Record, now: Timestamp) -> bool {
    record
        .cooldown_until
        .is_some_and(|until| until > now && until.since(now) <= MAX_REST_SECS)
}

/// How much life a stored token has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It can be served, and nothing needs doing.
    Fresh,
    /// It can be served, and should be refreshed.
    Soft,
    /// It cannot be served.
    Ended,
}

/// By what one call measures the life of a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    /// The seconds of life that the tool needs. Absent: the usual skew.
    pub needed_secs: Option<u32>,
    /// The seconds of life that it would like, of which no more than half of the token's own counts.
    pub prefers_secs: Option<u32>,
    /// Whether it is the ID token that is measured.
    pub id_token: bool,
    /// The percentage of the soft window that this process uses, 80 to 100, drawn at random so that a thousand machines
    /// do not refresh in the same second.
    pub window_share: i64,
}

impl Measure {
    /// A measure with a drawn share of the soft window.
    pub(super) fn drawn(world: &World, wants: Wants) -> Measure {
        Measure {
            window_share: 80 + world.random_below(21).cast_signed(),
            ..Measure::whole(wants)
        }
    }

    /// A measure with the whole soft window.
    pub(super) fn whole(wants: Wants) -> Measure {
        let Wants {
            needed_secs,
            prefers_secs,
            id_token,
            within_secs: _,
        } = wants;
        Measure {
            needed_secs,
            prefers_secs,
            id_token,
            window_share: 100,
        }
    }

    /// When what is measured ends. Where there is no ID token a renewal brings none either, see [`super::merge`], and the
    /// access token alone is measured.
    fn end(&self, record: &Record) -> Option<Timestamp> {
        let id_token = record.id_token.as_ref().filter(|_| self.id_token);
        id_token.and_then(id_token::end).or(record.expires_at)
    }

    /// The seconds before its end at which a token that lives this long counts as ended.
    fn least(&self, whole: i64) -> i64 {
        let skew = SKEW_SECS.min((whole + 9) / 10).min(whole / 2);
        self.needed_secs.map_or(skew, |needed| skew.max(needed.into()))
    }

    /// The moment from which a record's secret cannot be served any more; none where that never comes.
    pub(super) fn serves_until(&self, record: &Record, now: Timestamp) -> Option<Timestamp> {
        let end = self.end(record)?;
        let whole = end.since(record.obtained_at.unwrap_or(now)).max(0);
        Some(end.plus(-self.least(whole)))
    }

    /// The life of a record's secret.
    pub(super) fn life(&self, record: &Record, now: Timestamp) -> Life {
        if record.secret.is_none() {
            return Life::Ended;
        }
        let Some(end) = self.end(record) else {
            return Life::Fresh;
        };
        let obtained = record.obtained_at.unwrap_or(now);
        let whole = end.since(obtained).max(0);
        let left = end.since(now);
        if left <= self.least(whole) || obtained.since(now) > CLOCK_SECS {
            return Life::Ended;
        }
        let window = SOFT_SECS.min(whole / 5) * self.window_share / 100;
        let window = self
            .prefers_secs
            .map_or(window, |liked| window.max(i64::from(liked).min(whole / 2)));
        if left <= window { Life::Soft } else { Life::Fresh }
    }
}

#[cfg(test)]
pub(super) mod fixture {
    use super::{Record, Timestamp};
    use crate::record::{Group, Key};
    use crate::secret::Secret;

    pub(in crate::renew) const NOW: Timestamp = Timestamp::from_unix(1_000_000);

    /// A record whose secret was obtained and ends so many seconds after [`NOW`].
    pub(in crate::renew) fn record(obtained: i64, end: Option<i64>) -> Record {
        let group = Group::Session {
            provider: "acme".into(),
            mode: String::new(),
        };
        let mut record = Record::new(
            Key {
                group,
                account: String::new(),
                path: None,
            },
            "f".into(),
            "keyfob",
        );
        record.secret = Some(Secret::new("canary".into()));
        record.obtained_at = Some(NOW.plus(obtained));
        record.expires_at = end.map(|end| NOW.plus(end));
        record
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{NOW, record};
    use super::*;

    fn life(record: &Record, now: Timestamp, needed_secs: Option<u32>, window_share: i64) -> Life {
        let wants = Wants {
            needed_secs,
            ..Wants::default()
        };
        let measure = Measure {
            window_share,
            ..Measure::whole(wants)
        };
        measure.life(record, now)
    }

    #[test]
    fn the_skew_is_a_minute_or_a_tenth_of_a_short_life() {
        for (obtained, end, expected) in [
            (-3000, 600, Life::Fresh),
            (-3300, 300, Life::Soft),
            (-3539, 61, Life::Soft),
            (-3540, 60, Life::Ended),
            (-10, 20, Life::Fresh),
            (-26, 4, Life::Soft),
            (-27, 3, Life::Ended),
            (-3600, 0, Life::Ended),
            // Of five seconds the last one is not served; a single one is, because nothing would be left of it.
            (-3, 2, Life::Fresh),
            (-4, 1, Life::Ended),
            (0, 1, Life::Fresh),
        ] {
            assert_eq!(
                life(&record(obtained, Some(end)), NOW, None, 100),
                expected,
                "{obtained} {end}"
            );
        }
        assert_eq!(life(&record(-10, None), NOW, None, 100), Life::Fresh);
    }

    #[test]
    fn a_tool_that_needs_longer_is_not_served_less() {
        assert_eq!(life(&record(-1800, Some(1800)), NOW, Some(1800), 100), Life::Ended);
        assert_eq!(life(&record(-1800, Some(1800)), NOW, Some(1799), 100), Life::Fresh);
    }

    #[test]
    fn what_a_tool_would_like_is_tried_and_not_insisted_on() {
        let wants = Wants {
            prefers_secs: Some(930),
            ..Wants::default()
        };
        for (obtained, end, expected) in [
            (-2600, 1000, Life::Fresh),
            (-2700, 900, Life::Soft),
            (-3539, 61, Life::Soft),
            (-3540, 60, Life::Ended),
            (-400, 500, Life::Fresh),
            (-500, 400, Life::Soft),
        ] {
            let life = Measure::whole(wants).life(&record(obtained, Some(end)), NOW);
            assert_eq!(life, expected, "{obtained} {end}");
        }
    }

    #[test]
    fn a_rest_noted_by_a_wrong_clock_does_not_last() {
        for (until, expected) in [
            (-1, false),
            (0, false),
            (1, true),
            (600, true),
            (601, false),
            (400_000_000, false),
        ] {
            let mut record = record(-10, Some(5));
            record.cooldown_until = Some(NOW.plus(until));
            assert_eq!(rests(&record, NOW), expected, "{until}");
        }
    }

    #[test]
    fn a_clock_far_before_the_token_says_nothing() {
        assert_eq!(life(&record(299, Some(3600)), NOW, None, 100), Life::Fresh);
        assert_eq!(life(&record(301, Some(3600)), NOW, None, 100), Life::Ended);
    }
}
