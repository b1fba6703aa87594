//! Single values: durations, shares, amounts, distributions, choices.

use std::ops::Range;

use shipslog_domain::Span;
use toml::Spanned;
use toml::de::DeValue;

use crate::distribution::{Distribution, Weighted};
use crate::scenario::parse::HORIZON_MAX;
use crate::scenario::parse::fields::{Fields, Problem, nearest};
use crate::scenario::{Amount, Bounds, SHARE_WHOLE};

/// A distribution without a cap is cut at so many times its mean or 90th percentile.
const CAP_FACTOR: u64 = 20;
/// Longest name of anything in a scenario.
const NAME_CHARACTERS_MAX: usize = 64;
/// Longest text.
const TEXT_CHARACTERS_MAX: usize = 1_000;
/// Largest share where more than the whole makes sense: a hundred per device.
const SHARE_MAX: u32 = 100 * SHARE_WHOLE;

/// A value with where it stands.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) value: &'a DeValue<'a>,
    pub(super) span: Range<usize>,
    pub(super) path: String,
}

impl<'a> Found<'a> {
    pub(super) fn problem(&self, rule: impl Into<String>) -> Problem {
        Problem::new(self.span.start, self.path.clone(), rule)
    }

    fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    fn not(&self, expected: &str) -> Problem {
        self.problem(format!("must be {expected}, not {}", self.kind()))
    }

    fn item(&self, index: usize, item: &'a Spanned<DeValue<'a>>) -> Self {
        Self {
            value: item.get_ref(),
            span: item.span(),
            path: format!("{}[{}]", self.path, index + 1),
        }
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Result<Vec<Self>, Problem> {
        let DeValue::Array(list) = self.value else {
            return Err(self.not("a list"));
        };
        let items = list.iter().enumerate();
        Ok(items.map(|(index, item)| self.item(index, item)).collect())
    }

    pub(super) fn fields(&self) -> Result<Fields<'a>, Problem> {
        match self.value {
            DeValue::Table(table) => Ok(Fields::new(table, self.span.clone(), self.path.clone())),
            _ => Err(self.not("a table")),
        }
    }

    pub(super) fn string(&self) -> Result<&'a str, Problem> {
        match self.value {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err(self.not("text in quotes")),
        }
    }

    pub(super) fn text(&self) -> Result<Box<str>, Problem> {
        let text = self.string()?.trim();
        if text.is_empty() || text.chars().count() > TEXT_CHARACTERS_MAX {
            return Err(self.problem(format!("must have 1 to {TEXT_CHARACTERS_MAX} characters")));
        }
        Ok(text.into())
    }

    /// A word that names a thing, group, template or job.
    pub(super) fn name(&self) -> Result<Box<str>, Problem> {
        let name = self.string()?;
        let fits = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if name.is_empty() || name.len() > NAME_CHARACTERS_MAX || !fits {
            return Err(self.problem(format!(
                "must be 1 to {NAME_CHARACTERS_MAX} letters, digits, dashes and underscores, \
                 not {name:?}"
            )));
        }
        Ok(name.into())
    }

    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Result<T, Problem> {
        let word = self.string()?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
            return Ok(*choice);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let advice = nearest(word, &names)
            .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        let names = names.join(", ");
        Err(self.problem(format!("must be one of {names}, not {word:?}{advice}")))
    }

    pub(super) fn yes_or_no(&self) -> Result<bool, Problem> {
        match self.value {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.not("true or false")),
        }
    }

    pub(super) fn whole(&self) -> Result<u64, Problem> {
        let DeValue::Integer(number) = self.value else {
            return Err(self.not("a whole number"));
        };
        let text = number.as_str().replace('_', "");
        u64::from_str_radix(text.trim_start_matches('+'), number.radix())
            .map_err(|_| self.problem(format!("must be 0 to {}, not {text}", u64::MAX)))
    }

    pub(super) fn whole_within(&self, low: u64, high: u64) -> Result<u64, Problem> {
        let number = self.whole()?;
        if !(low..=high).contains(&number) {
            return Err(self.problem(format!("must be {low} to {high}, not {number}")));
        }
        Ok(number)
    }

    /// A number with so many decimals, as a whole number of its smallest unit.
    pub(super) fn decimal(&self, decimals: u32, low: u64, high: u64) -> Result<u64, Problem> {
        let text = match self.value {
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return Err(self.not("a number")),
        };
        let unit = 10_u64.pow(decimals);
        let shown = |value: u64| match value % unit {
            0 => format!("{}", value / unit),
            rest => format!("{}.{rest:0width$}", value / unit, width = decimals as usize),
        };
        let value = scaled(&text.replace('_', ""), decimals);
        match value {
            Some(value) if (low..=high).contains(&value) => Ok(value),
            _ => Err(self.problem(format!(
                "must be {} to {} with at most {decimals} decimals, not {text}",
                shown(low),
                shown(high)
            ))),
        }
    }

    // Times.

    pub(super) fn span(&self) -> Result<Span, Problem> {
        self.span_within(Span(0), HORIZON_MAX)
    }

    pub(super) fn span_within(&self, low: Span, high: Span) -> Result<Span, Problem> {
        const EXAMPLE: &str =
            "a length of time in quotes, such as \"250ms\", \"90s\", \"15m\" or \"8h\"";
        let DeValue::String(text) = self.value else {
            return Err(self.not(EXAMPLE));
        };
        let length = humantime::parse_duration(text)
            .map_err(|error| self.problem(format!("must be {EXAMPLE}, not {text:?}: {error}")))?;
        let span = u64::try_from(length.as_millis()).map_or(Span(u64::MAX), Span);
        if !(low..=high).contains(&span) {
            let shown = |span: Span| {
                humantime::format_duration(std::time::Duration::from_millis(span.0)).to_string()
            };
            return Err(self.problem(format!(
                "must be {} to {}, not {text:?}",
                shown(low),
                shown(high)
            )));
        }
        Ok(span)
    }

    /// Whole minutes.
    pub(super) fn minutes(&self, low: u32, high: u32) -> Result<u32, Problem> {
        let span = self.span_within(Span::minutes(low), Span::minutes(high))?;
        if !span.0.is_multiple_of(Span::MINUTE.0) {
            return Err(self.problem("must be a whole number of minutes, such as \"30m\""));
        }
        Ok(u32::try_from(span.0 / Span::MINUTE.0).unwrap_or(high))
    }

    // Shares and amounts.

    fn percent(&self, max: u32) -> Result<u32, Problem> {
        let DeValue::String(text) = self.value else {
            return Err(self.not("a share in quotes, such as \"12.5%\""));
        };
        let share = text
            .trim()
            .strip_suffix('%')
            .and_then(|number| scaled(number.trim(), 2))
            .and_then(|share| u32::try_from(share).ok());
        match share {
            Some(share) if share <= max => Ok(share),
            _ => Err(self.problem(format!(
                "must be a share from 0% to {}% with at most two decimals, such as \"12.5%\", \
                 not {text:?}",
                max / 100
            ))),
        }
    }

    /// From none to all.
    pub(super) fn share(&self) -> Result<u32, Problem> {
        self.percent(SHARE_WHOLE)
    }

    pub(super) fn share_above_none(&self) -> Result<u32, Problem> {
        match self.share()? {
            0 => Err(self.problem("must be above 0%")),
            share => Ok(share),
        }
    }

    /// A share above none, of what others have left.
    pub(super) fn share_of_rest(&self, rest: u32) -> Result<u32, Problem> {
        let share = self.share_above_none()?;
        if share > rest {
            return Err(self.problem(format!(
                "shares add up to more than the whole: {} is left for this one",
                Amount::Share(rest)
            )));
        }
        Ok(share)
    }

    pub(super) fn amount(&self) -> Result<Amount, Problem> {
        match self.value {
            DeValue::Integer(_) => self.whole().map(Amount::Count),
            DeValue::String(_) => self.percent(SHARE_MAX).map(Amount::Share),
            _ => Err(self.not("a count, such as 250, or a share in quotes, such as \"12.5%\"")),
        }
    }

    pub(super) fn amount_above_none(&self) -> Result<Amount, Problem> {
        match self.amount()? {
            Amount::Count(0) | Amount::Share(0) => Err(self.problem("must be above 0")),
            amount => Ok(amount),
        }
    }

    // Distributions.

    pub(super) fn distribution(&self) -> Result<Distribution, Problem> {
        match self.value {
            DeValue::String(_) => Ok(Distribution::Constant(self.span()?.0)),
            DeValue::Table(_) => self.shaped(),
            _ => Err(self.not(
                "a length of time, such as \"30s\", or a distribution, \
                 such as { uniform = [\"10s\", \"1m\"] }",
            )),
        }
    }

    fn shaped(&self) -> Result<Distribution, Problem> {
        let mut fields = self.fields()?;
        let shapes = [
            fields.optional("uniform", Self::uniform)?,
            fields.optional("exponential", Self::exponential)?,
            fields.optional("log-normal", Self::log_normal)?,
            fields.optional("empirical", Self::empirical)?,
        ];
        fields.finish()?;
        let mut shapes = shapes.into_iter().flatten();
        match (shapes.next(), shapes.next()) {
            (Some(shape), None) => Ok(shape),
            _ => Err(self.problem(
                "must have exactly one of uniform, exponential, log-normal and empirical",
            )),
        }
    }

    fn uniform(&self) -> Result<Distribution, Problem> {
        let list = self.list()?;
        let [low, high] = list.as_slice() else {
            return Err(self.problem("must be [shortest, longest], such as [\"10s\", \"1m\"]"));
        };
        let (low, longest) = (low.span()?.0, high.span()?.0);
        if longest < low {
            return Err(high.problem("must not be shorter than the first; swap them"));
        }
        Ok(Distribution::Uniform { low, high: longest })
    }

    fn exponential(&self) -> Result<Distribution, Problem> {
        let (mean, max) = match self.value {
            DeValue::String(_) => (self.span()?.0, None),
            _ => {
                let mut fields = self.fields()?;
                let mean = fields.required("mean", Self::span)?.0;
                let max = fields.optional("max", |found| found.cap(mean))?;
                fields.finish()?;
                (mean, max)
            }
        };
        let max = max.unwrap_or(mean.saturating_mul(CAP_FACTOR));
        Ok(Distribution::Exponential { mean, max })
    }

    fn log_normal(&self) -> Result<Distribution, Problem> {
        let mut fields = self.fields()?;
        let median = fields.required("median", |found| {
            Ok(found.span_within(Span(1), HORIZON_MAX)?.0)
        })?;
        let p90 = fields.required("p90", |found| {
            let p90 = found.span()?.0;
            if p90 <= median {
                return Err(found.problem("must be longer than the median"));
            }
            Ok(p90)
        })?;
        let max = fields.optional("max", |found| found.cap(p90))?;
        fields.finish()?;
        let max = max.unwrap_or(p90.saturating_mul(CAP_FACTOR));
        Distribution::log_normal(median, p90, max)
            .ok_or_else(|| self.problem("must have 0 < median < p90"))
    }

    fn cap(&self, low: u64) -> Result<u64, Problem> {
        let max = self.span()?.0;
        if max < low {
            return Err(self.problem("must not be shorter than the mean or the 90th percentile"));
        }
        Ok(max)
    }

    fn empirical(&self) -> Result<Distribution, Problem> {
        let list = self.list()?;
        if list.is_empty() {
            return Err(self.problem(
                "must have at least one length; write [\"10s\", \"30s\"], or with weights \
                 [[\"10s\", 3], [\"30s\", 1]]",
            ));
        }
        let lengths = list.iter().map(|item| {
            let DeValue::Array(_) = item.value else {
                let length = item.span()?.0;
                return Ok(Weighted { length, weight: 1 });
            };
            let pair = item.list()?;
            let [length, weight] = pair.as_slice() else {
                return Err(item.problem("must be [length, weight], such as [\"10s\", 3]"));
            };
            let length = length.span()?.0;
            let weight = weight.whole_within(1, u64::from(u32::MAX))?;
            Ok(Weighted { length, weight })
        });
        Ok(Distribution::Empirical(lengths.collect::<Result<_, _>>()?))
    }
}

/// Reads `exactly`, or `min` and `max`, of a check.
pub(super) fn bounds(fields: &mut Fields<'_>) -> Result<Bounds, Problem> {
    let exactly = fields.optional("exactly", Found::amount)?;
    let min = fields.optional("min", Found::amount)?;
    let max = fields.optional("max", |found| {
        let max = found.amount()?;
        match (min, max) {
            (Some(Amount::Count(low)), Amount::Count(high)) if high < low => {
                Err(found.problem("must not be less than min"))
            }
            (Some(Amount::Share(low)), Amount::Share(high)) if high < low => {
                Err(found.problem("must not be less than min"))
            }
            _ => Ok(max),
        }
    })?;
    match (exactly, min, max) {
        (Some(amount), None, None) => Ok(Bounds::exactly(amount)),
        (None, None, None) | (Some(_), _, _) => Err(fields.problem(
            "must have either exactly, or min, max or both; such as exactly = \"100%\" or max = 3",
        )),
        (None, min, max) => Ok(Bounds { min, max }),
    }
}

/// A decimal number as a whole number of its smallest unit; `None` if it is negative or has more decimals.
fn scaled(text: &str, decimals: u32) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let rest = rest.trim_end_matches('0');
    if whole.is_empty() || !digits(whole) || !digits(rest) || rest.len() > decimals as usize {
        return None;
    }
    let padded = format!("{rest:0<width$}", width = decimals as usize);
    let fraction: u64 = if padded.is_empty() {
        0
    } else {
        padded.parse().ok()?
    };
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(10_u64.checked_pow(decimals)?)?
        .checked_add(fraction)
}
