//! Sizes, rates and spans of time, as people write and read them. Sizes are binary: `k` is 1,024.

use std::time::Duration;

const SUFFIXES: [char; 5] = ['k', 'm', 'g', 't', 'p'];
const NAMES: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// The bytes that `500k`, `2M`, `1.5MiB` or `4096` mean.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = split_number(&lower);
    let unit = unit.trim_start();
    let power = match unit.chars().next() {
        None | Some('b') => 0,
        Some(letter) => SUFFIXES.iter().position(|&suffix| suffix == letter)? + 1,
    };
    let rest = if power == 0 { unit } else { &unit[1..] };
    let known = if power == 0 { matches!(rest, "" | "b") } else { matches!(rest, "" | "b" | "ib" | "i") };
    if !known {
        return None;
    }
    scaled(number, 1u64 << (10 * power))
}

/// The bytes a second that `500k` or `2MiB/s` mean; none, that is no limit, for zero.
pub(crate) fn parse_rate(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    let bytes = parse_size(text.strip_suffix("/s").unwrap_or(text))?;
    Some((bytes > 0).then_some(bytes))
}

/// The time that `90s`, `10m`, `2h`, `1h30m`, `1d` or `90` (seconds) mean.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    let mut last = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, tail) = split_number(rest);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        let seconds = match unit {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86400,
            "ms" => 0,
            _ => return None,
        };
        // Larger units come first, each once: `1m1m` is a slip.
        if seconds >= last {
            return None;
        }
        last = seconds;
        let millis = scaled(number, if seconds == 0 { 1 } else { seconds * 1000 })?;
        sum = sum.checked_add(Duration::from_millis(millis))?;
        rest = next;
    }
    Some(sum)
}

/// The leading decimal number, and what follows.
fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()))
}

/// A decimal number times `unit`, rounded down. Exact: no floating point.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(12)];
    let numerator: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = numerator * u128::from(unit) / 10u128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

/// `bytes` for people: three digits at least, and a unit.
pub(crate) fn size(bytes: u64) -> String {
    let (number, unit) = size_parts(bytes, bytes);
    format!("{number} {unit}")
}

/// `done` of `total` in one unit, that of the total: `1.2/2.9 GiB`.
pub(crate) fn size_of(done: u64, total: u64) -> String {
    let (whole, unit) = size_parts(total, total);
    let (part, _) = size_parts(done, total);
    format!("{part}/{whole} {unit}")
}

/// `bytes` in the unit that suits `like`.
fn size_parts(bytes: u64, like: u64) -> (String, &'static str) {
    let power = (0..NAMES.len()).rev().find(|&power| like >> (10 * power) > 0).unwrap_or(0);
    if power == 0 {
        return (bytes.to_string(), NAMES[0]);
    }
    let number = bytes as f64 / (1u64 << (10 * power)) as f64;
    let decimals = if number >= 99.95 { 0 } else { 1 };
    (format!("{number:.decimals$}"), NAMES[power])
}

/// A rate for people.
pub(crate) fn rate(bytes_a_second: u64) -> String {
    format!("{}/s", size(bytes_a_second))
}

/// A span for people: `0:17`, `1:02:03`, `3d 4h`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours) = (seconds / 86400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{rest:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{rest:02}"),
        (1..=999, _) => format!("{days}d {hours}h"),
        _ => "∞".to_owned(),
    }
}

/// A date in UTC for people, by the calendar that ISO 8601 uses: `2026-01-31 12:34:56 UTC`.
pub(crate) fn date(seconds_since_1970: i64) -> String {
    let (days, second) = (seconds_since_1970.div_euclid(86400), seconds_since_1970.rem_euclid(86400));
    // Days since 0000-03-01: years then end with the leap day, and four hundred of them have 146,097 days.
    let shifted = i128::from(days) + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_whatever_their_suffix() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("12b", 12),
            ("500k", 512_000),
            ("2M", 2 << 20),
            ("1.5MiB", 3 << 19),
            ("1.5 mib", 3 << 19),
            ("3GB", 3 << 30),
            (".5k", 512),
            ("0.1k", 102),
            ("16383P", 16383 << 50),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "k", ".", "1.2.3", "-1", "1x", "1kk", "1kibb", "16384P", "99999999999999999999", "½"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn rates_may_name_the_second_and_zero_is_no_limit() {
        assert_eq!(parse_rate("500k"), Some(Some(512_000)));
        assert_eq!(parse_rate("1MiB/s"), Some(Some(1 << 20)));
        assert_eq!(parse_rate("0"), Some(None));
        assert_eq!(parse_rate("fast"), None);
    }

    #[test]
    fn spans_add_their_units_up() {
        let cases = [
            ("90s", 90_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("1h30m", 5_400_000),
            ("7", 7000),
            ("0.5s", 500),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_span(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_span("1d2h"), Some(Duration::from_secs(26 * 3600)));
        assert_eq!(parse_span("250ms"), Some(Duration::from_millis(250)));
        for text in ["", "h", "1m1h", "1m1m", "-1s", "1w", "1e9", "99999999999999999999d"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn figures_are_short() {
        let cases =
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 19, "1.5 MiB"), (200 << 20, "200 MiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "16384 PiB");
        assert_eq!(size_of(1 << 30, 3 << 30), "1.0/3.0 GiB");
        assert_eq!(size_of(512, 3 << 20), "0.0/3.0 MiB");
        assert_eq!(rate(0), "0 B/s");
        let spans = [(0, "0:00"), (17, "0:17"), (3723, "1:02:03"), (3 * 86400 + 4 * 3600, "3d 4h")];
        for (seconds, text) in spans {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(span(Duration::MAX), "∞");
    }

    #[test]
    fn dates_follow_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ];
        for (seconds, text) in cases {
            assert_eq!(date(seconds), text);
        }
        assert!(date(i64::MIN).ends_with("UTC") && date(i64::MAX).ends_with("UTC"));
    }
}
