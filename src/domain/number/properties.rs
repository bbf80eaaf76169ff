//! Properties that must hold for all texts, and for the numbers of all countries.

use phonenumber::metadata::DATABASE;
use proptest::prelude::*;

use super::numbering;
use super::*;
use crate::domain::Msisdn;

fn of(region: &str) -> NumberReader {
    NumberReader::new(region.parse().ok())
}

/// Only the number.
fn number(reader: NumberReader, text: &str) -> Result<Msisdn, NumberError> {
    reader.read(text).map(|read| read.number)
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Texts of the characters that people write in numbers, and some that they should not write.
fn written() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[0-9]{1,4}",
        1 => "[0-9]{5,13}",
        3 => "[ .()-]",
        1 => prop::sample::select(vec!["(0)", "+", "00", "44", "\t", "/", "x", ",", "\u{a0}", "\u{200b}"]).prop_map(str::to_owned),
    ];
    (prop::sample::select(vec!["", "+", "0", "00", "(0)", "+44 (0)", "44", "+39"]), prop::collection::vec(piece, 1..7))
        .prop_map(|(front, pieces)| front.to_owned() + &pieces.concat())
}

/// The number without zeros after its country code, where a national 0 may have been written.
fn bare(digits: &str) -> String {
    match numbering::split(digits) {
        Some((code, national)) => {
            let national = if code.digits == "36" { national.trim_start_matches("06") } else { national };
            format!("{}{}", code.digits, national.trim_start_matches('0'))
        }
        None => digits.to_owned(),
    }
}

/// A valid national number of some region: an example from the metadata, often with other digits at its end.
fn national_number() -> impl Strategy<Value = (&'static str, String)> {
    let plans =
        DATABASE.iter().filter(|metadata| metadata.id() != "001").filter_map(|metadata| Some(numbering::of_region(metadata.id())?.1));
    let examples: Vec<(&'static str, &'static str)> =
        plans.flat_map(|plan| plan.examples().map(move |example| (plan.region(), example))).collect();
    (prop::sample::select(examples), "[0-9]{0,4}").prop_map(|((region, example), tail)| {
        let changed = format!("{}{tail}", &example[..example.len().saturating_sub(tail.len())]);
        let is_valid = changed.len() == example.len() && numbering::of_region(region).is_some_and(|(_, plan)| plan.is_valid(&changed));
        (region, if is_valid { changed } else { example.to_owned() })
    })
}

/// The digits with marks, spaces and invisible characters in between, and possibly brackets around the first ones.
fn marked(digits: &str, marks: &[&str], in_brackets: usize) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        match at {
            0 if in_brackets > 0 => text.push('('),
            _ if at == in_brackets && at > 0 => text.push(')'),
            _ => text.push_str(marks[at % marks.len()]),
        }
        text.push(digit);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_national_number_of_any_region_goes_to_another_country_in_silence(
        (region, national) in national_number(),
        with_prefix in any::<bool>(),
        marks in prop::collection::vec(prop::sample::select(vec!["", "", "", " ", "-", ".", "\u{a0}", "\u{200e}", "\u{ad}", "\u{2011}"]), 1..9),
        in_brackets in 0usize..5,
    ) {
        let (code, plan) = numbering::of_region(region).expect("a region");
        let prefix = plan.metadata.national_prefix().filter(|_| with_prefix).unwrap_or_default();
        let text = marked(&format!("{prefix}{national}"), &marks, in_brackets);
        // A refusal is visible, so it is fine.
        let Ok(read) = of(region).read(&text) else { return Ok(()) };
        let number = read.number.digits().to_string();
        let meant = format!("{}{national}", code.digits);
        let is_own = read.how == How::OwnCountryCode && number.starts_with(&code.digits);
        let is_endless = national.len() >= 12 && !code.is_no_fixed_line(&national);
        prop_assert!(number == meant || read.doubtful.is_some() || is_own || is_endless, "{region} {text:?} was read as {read:?} {number}, and meant is {meant}");
    }

    #[test]
    fn national_numbers_of_lines_are_read_as_such_without_their_prefix((region, national) in national_number()) {
        let (code, _) = numbering::of_region(region).expect("a region");
        let is_endless = national.len() >= 12 && !code.is_no_fixed_line(&national);
        if national.starts_with('0') || national.starts_with(&code.digits) || is_endless {
            return Ok(());
        }
        let read = of(region).read(&national);
        // Too short or too long for E.164.
        if !(7..=15).contains(&(code.digits.len() + national.len())) {
            prop_assert!(read.is_err() || read.is_ok_and(|read| read.doubtful.is_some()), "{} {}", region, national);
            return Ok(());
        }
        let read = read.expect("read");
        prop_assert_eq!((read.number.digits().to_string(), read.how, read.doubtful), (format!("{}{national}", code.digits), How::National, None), "{}", region);
    }

    #[test]
    fn what_is_accepted_has_the_digits_that_were_written(
        text in written(), region in prop::sample::select(vec!["", "GB", "DE", "IT", "US", "SG", "BR", "AR", "HK", "KR", "AU", "HU", "BY", "RU"])
    ) {
        let Ok(number) = number(of(region), &text) else { return Ok(()) };
        let number = number.digits().to_string();
        let all = digits_of(&text);
        let mut may_be = vec![all.clone(), digits_of(&text.replacen("(0)", "", 1))];
        if let Some((code, plan)) = numbering::of_region(region).filter(|_| !text.starts_with('+')) {
            for digits in may_be.clone() {
                may_be.extend(["00", "011", "0011"].iter().filter_map(|abroad| digits.strip_prefix(abroad)).map(str::to_owned));
                may_be.extend(plan.dialled_within(&digits).into_iter().flatten().map(|national| format!("{}{national}", code.digits)));
                may_be.extend(digits.strip_prefix("06").map(|national| format!("{}{national}", code.digits)));
            }
        }
        let is_written = may_be.iter().any(|written| bare(written) == bare(&number));
        prop_assert!(is_written, "{text:?} in {region:?} was read as {number}, and may be {may_be:?}");
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,30}") {
        let _ = number(of("GB"), &text);
    }

    #[test]
    fn what_is_shown_is_read_again(digits in 1_000_000u64..=999_999_999_999_999, region in prop::sample::select(vec!["", "GB", "HU", "IT"])) {
        let written = Msisdn::from_digits(digits).expect("in range").to_string();
        let read = number(of(region), &written);
        prop_assert_eq!(read.as_ref().map(|number| bare(&number.digits().to_string())), Ok(bare(&written[1..])));
        prop_assert_eq!(number(of(region), &read.clone().expect("read").to_string()), read);
    }

    #[test]
    fn further_digits_or_a_second_number_are_refused(digits in 1_000_000_000u64..=999_999_999_999_999, more in 0u64..10_000_000_000, mark in "[ .()/,;#x\t-]{1,3}") {
        let text = format!("{digits}{mark}{more}");
        prop_assert!(number(of("GB"), &text).is_err(), "{}", text);
    }
}
