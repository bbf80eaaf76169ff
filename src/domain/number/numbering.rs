//! The numbering plans of all countries, from libphonenumber's metadata. Whole numbers are matched here, because the
//! library itself accepts a number that only begins correctly, and takes a lock for every call.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use phonenumber::metadata::{DATABASE, Descriptor, Metadata};
use regex::{Regex, RegexBuilder};
use regex_automata::hybrid::dfa::DFA;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use crate::domain::msisdn::Msisdn;

/// libphonenumber's region for a number without a country.
pub(super) const NOWHERE: &str = "ZZ";

/// The numbering plan of a region. Its patterns are compiled when they are first needed.
pub(super) struct Plan {
    pub(super) metadata: &'static Metadata,
    /// The possible numbers of digits after the country code: bit n stands for n digits.
    lengths: u32,
    general: OnceLock<Option<Regex>>,
    leading: OnceLock<Option<Regex>>,
    prefix: OnceLock<Option<Regex>>,
    abroad: OnceLock<Option<Regex>>,
    kinds: OnceLock<Vec<Kind>>,
    /// By the beginning and the length of a number: whether any known number begins like this.
    beginnings: Mutex<HashMap<(String, usize), bool>>,
}

/// The numbers of one kind, such as mobile, fixed-line or toll-free.
struct Kind {
    lengths: u32,
    pattern: Option<Regex>,
    used_for: Use,
}

/// What a kind of number is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Mobile,
    FixedLine,
    Service,
}

/// All plans with the same country code, the main one first.
pub(super) struct Code {
    /// The digits of the country code.
    pub(super) digits: String,
    pub(super) plans: Vec<Plan>,
}

static CODES: LazyLock<HashMap<u16, Code>> = LazyLock::new(|| {
    let plans = |code| Some(DATABASE.by_code(&code)?.into_iter().map(Plan::new).collect());
    (1..1000u16).filter_map(|code| Some((code, Code { digits: code.to_string(), plans: plans(code)? }))).collect()
});

/// The country code at the beginning of a number, and the rest.
pub(super) fn split(digits: &str) -> Option<(&'static Code, &str)> {
    (1..=3).find_map(|length| {
        let (code, rest) = (digits.get(..length)?, digits.get(length..)?);
        Some((CODES.get(&code.parse().ok()?)?, rest))
    })
}

/// The country code of a region, and the region's own plan.
pub(super) fn of_region(region: &str) -> Option<(&'static Code, &'static Plan)> {
    let code = CODES.get(&DATABASE.by_id(region)?.country_code())?;
    Some((code, code.plans.iter().find(|plan| plan.region() == region)?))
}

impl Msisdn {
    /// The country of the number, as its two-letter code (`GB`). `001` stands for a worldwide service, and `ZZ` for a
    /// number without a known country code.
    pub fn country(self) -> &'static str {
        let digits = self.digits().to_string();
        split(&digits).map_or(NOWHERE, |(code, national)| code.region(national))
    }
}

impl Code {
    /// Whether these digits after the code form a possible number of any country with this code.
    pub(super) fn fits(&self, national: &str) -> bool {
        self.plans.iter().any(|plan| plan.fits(national))
    }

    /// Whether numbers like this one have a known use: an area, a mobile network, a service.
    pub(super) fn is_valid(&self, national: &str) -> bool {
        self.plans.iter().any(|plan| plan.is_valid(national))
    }

    /// Whether numbers like this one belong to people: mobile or fixed-line.
    pub(super) fn is_line(&self, national: &str) -> bool {
        self.is_used(national, |used_for| used_for != Use::Service)
    }

    /// Whether numbers like this one are known, and not only as fixed lines.
    pub(super) fn is_no_fixed_line(&self, national: &str) -> bool {
        self.is_used(national, |used_for| used_for != Use::FixedLine)
    }

    fn is_used(&self, national: &str, wanted: impl Fn(Use) -> bool) -> bool {
        self.plans.iter().any(|plan| plan.fits(national) && plan.kinds().iter().any(|kind| wanted(kind.used_for) && kind.has(national)))
    }

    /// Whether any known number has the same length and the same beginning as this one, in use or not.
    pub(super) fn has_begun(&self, national: &str) -> bool {
        self.plans.iter().any(|plan| plan.has_begun(national))
    }

    /// The possible numbers of digits after the code, one bit for each.
    pub(super) fn lengths(&self) -> u32 {
        self.plans.iter().fold(0, |all, plan| all | plan.lengths)
    }

    /// The region of a number with this code. If several regions share the code, they are distinguished as in
    /// libphonenumber.
    pub(super) fn region(&self, national: &str) -> &'static str {
        let is_of = |plan: &&Plan| match plan.leading() {
            Some(leading) => leading.is_match(national),
            None => plan.is_valid(national),
        };
        let plan = if self.plans.len() == 1 { None } else { self.plans.iter().find(is_of) };
        plan.or(self.plans.first()).map_or(NOWHERE, Plan::region)
    }

    /// Removes the 0 that is dialled only within the country, if the country uses one and its numbers do not begin with
    /// it. Italian numbers keep their 0, because it is part of the number.
    pub(super) fn without_trunk_prefix<'a>(&self, mut national: &'a str) -> &'a str {
        let prefixes = || self.plans.iter().filter_map(|plan| plan.metadata.national_prefix()).filter(|prefix| prefix.starts_with('0'));
        while let Some(rest) = prefixes().find_map(|prefix| national.strip_prefix(prefix)).filter(|_| !self.fits(national)) {
            national = rest;
        }
        national
    }
}

impl Plan {
    fn new(metadata: &'static Metadata) -> Self {
        let lengths = kinds(metadata).fold(0, |all, (kind, _)| all | bits(kind.possible_length()));
        let (general, leading, prefix, abroad) = (OnceLock::new(), OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { metadata, lengths, general, leading, prefix, abroad, kinds: OnceLock::new(), beginnings: Mutex::default() }
    }

    pub(super) fn region(&self) -> &'static str {
        self.metadata.id()
    }

    /// Whether these digits after the country code form a possible number of the region.
    pub(super) fn fits(&self, national: &str) -> bool {
        let pattern = || whole(self.metadata.descriptors().general().national_number().as_str());
        has(self.lengths, national) && self.general.get_or_init(pattern).as_ref().is_some_and(|general| general.is_match(national))
    }

    pub(super) fn is_valid(&self, national: &str) -> bool {
        self.fits(national) && self.kinds().iter().any(|kind| kind.has(national))
    }

    /// Whether any known number of the same length begins with the same three digits.
    fn has_begun(&self, national: &str) -> bool {
        let beginning = national.get(..3).unwrap_or(national).to_owned();
        let mut known = self.beginnings.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry((beginning, national.len())).or_insert_with_key(|(beginning, length)| {
            let alike =
                kinds(self.metadata).map(|(kind, _)| kind).filter(|kind| kind.possible_length().iter().any(|n| usize::from(*n) == *length));
            alike.into_iter().any(|kind| may_begin(kind.national_number().as_str(), beginning).unwrap_or(true))
        })
    }

    /// The examples in the metadata, one of each kind.
    #[cfg(test)]
    pub(super) fn examples(&self) -> impl Iterator<Item = &'static str> {
        kinds(self.metadata).filter_map(|(kind, _)| kind.example())
    }

    fn kinds(&self) -> &[Kind] {
        self.kinds.get_or_init(|| {
            let of = |(kind, used_for): (&Descriptor, Use)| Kind {
                lengths: bits(kind.possible_length()),
                pattern: whole(kind.national_number().as_str()),
                used_for,
            };
            kinds(self.metadata).map(of).collect()
        })
    }

    /// The beginnings of this region's numbers, if other regions share its country code.
    fn leading(&self) -> Option<&Regex> {
        self.leading.get_or_init(|| beginning(self.metadata.leading_digits()?.as_str())).as_ref()
    }

    /// What digits dialled within the country may mean: themselves, and the rest after the prefix that is dialled there
    /// (8 in Russia). Prefixes that select a carrier are not considered, because they cannot be recognised.
    pub(super) fn dialled_within<'a>(&self, digits: &'a str) -> [Option<&'a str>; 2] {
        let metadata = self.metadata;
        let pattern = || metadata.national_prefix_for_parsing().map(|prefix| prefix.as_str().to_owned());
        let pattern = || pattern().or_else(|| metadata.national_prefix().map(str::to_owned));
        let prefix = self.prefix.get_or_init(|| beginning(&pattern()?));
        let length = prefix.as_ref().and_then(|prefix| prefix.find(digits)).map_or(0, |found| found.len());
        [Some(digits), (1..=2).contains(&length).then(|| &digits[length..])]
    }

    /// The rest after the prefix for calls abroad: 00, or the country's own prefix if it differs. If a carrier is part
    /// of the prefix (`00x`, as in Singapore), 0044… is ambiguous and not accepted.
    pub(super) fn after_prefix_abroad<'a>(&self, digits: &'a str) -> Option<&'a str> {
        let prefix = self.metadata.international_prefix()?;
        let found = self.abroad.get_or_init(|| beginning(prefix.as_str())).as_ref()?.find(digits)?;
        let is_preferred = self.metadata.preferred_international_prefix() == Some(found.as_str());
        (is_preferred || found.as_str() == "00" || found.as_str() == prefix.as_str()).then(|| &digits[found.end()..])
    }
}

impl Kind {
    fn has(&self, national: &str) -> bool {
        has(self.lengths, national) && self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(national))
    }
}

/// The metadata of each kind of number.
fn kinds(metadata: &Metadata) -> impl Iterator<Item = (&Descriptor, Use)> {
    let all = metadata.descriptors();
    let lines = [(all.mobile(), Use::Mobile), (all.fixed_line(), Use::FixedLine)].into_iter();
    let services = [
        all.toll_free(),
        all.premium_rate(),
        all.shared_cost(),
        all.personal_number(),
        all.voip(),
        all.pager(),
        all.uan(),
        all.voicemail(),
    ];
    lines.chain(services.map(|kind| (kind, Use::Service))).filter_map(|(kind, used_for)| Some((kind?, used_for)))
}

fn bits(lengths: &[u16]) -> u32 {
    lengths.iter().fold(0, |bits, length| bits | 1u32.checked_shl((*length).into()).unwrap_or(0))
}

fn has(lengths: u32, national: &str) -> bool {
    lengths & 1u32.checked_shl(u32::try_from(national.len()).unwrap_or(u32::MAX)).unwrap_or(0) != 0
}

fn beginning(pattern: &str) -> Option<Regex> {
    compiled(&format!("^(?:{pattern})"))
}

fn whole(pattern: &str) -> Option<Regex> {
    compiled(&format!("^(?:{pattern})$"))
}

/// Whether a text with this beginning may match the pattern; `None` if the pattern is not supported.
fn may_begin(pattern: &str, beginning: &str) -> Option<bool> {
    let syntax = syntax::Config::new().unicode(false).utf8(false).ignore_whitespace(true);
    let automaton = DFA::builder().syntax(syntax).build(pattern).ok()?;
    let mut cache = automaton.create_cache();
    let mut state = automaton.start_state_forward(&mut cache, &Input::new("").anchored(Anchored::Yes)).ok()?;
    for byte in beginning.bytes() {
        state = automaton.next_state(&mut cache, state, byte).ok()?;
        if state.is_dead() {
            return Some(false);
        }
    }
    Some(true)
}

/// Compiles a pattern without Unicode, because `\d` would include the digits of all scripts. A test compiles all
/// patterns.
fn compiled(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).ignore_whitespace(true).unicode(false).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_the_metadata_can_be_used() {
        for code in CODES.values() {
            for plan in &code.plans {
                assert!(plan.lengths != 0, "{}", plan.region());
                plan.fits("1");
                assert!(plan.kinds().iter().all(|kind| kind.pattern.is_some() && kind.lengths != 0), "{}", plan.region());
                assert_eq!(plan.leading().is_some(), plan.metadata.leading_digits().is_some(), "{}", plan.region());
                let general = plan.metadata.descriptors().general().national_number();
                assert!(whole(general.as_str()).is_some(), "{}", plan.region());
            }
        }
    }

    #[test]
    fn every_example_of_the_metadata_is_valid_where_it_belongs() {
        for code in CODES.values() {
            for plan in &code.plans {
                for (kind, used_for) in kinds(plan.metadata) {
                    let Some(example) = kind.example() else { continue };
                    assert!(plan.fits(example) && plan.is_valid(example), "{} {example}", plan.region());
                    assert!(used_for == Use::Service || code.is_line(example), "{} {example}", plan.region());
                }
            }
        }
    }

    #[test]
    fn countries_that_share_a_code_are_told_apart() {
        for (digits, country) in [
            ("447700900123", "GB"),
            ("447624123456", "IM"),
            ("12025550123", "US"),
            ("14165550123", "CA"),
            ("18765550123", "JM"),
            ("15005550006", "US"),
            ("77001234567", "KZ"),
            ("79123456789", "RU"),
            ("390612345678", "IT"),
            ("390669812345", "VA"),
            ("80012345678", "001"),
            ("210123456789", NOWHERE),
            ("9991234567", NOWHERE),
        ] {
            assert_eq!(Msisdn::from_wire(digits).expect("a number").country(), country, "{digits}");
        }
    }
}
