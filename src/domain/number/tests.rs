use phonenumber::metadata::DATABASE;

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

fn wire(digits: &str) -> Result<Msisdn, NumberError> {
    Ok(Msisdn::from_wire(digits).expect("a number"))
}

#[test]
fn numbers_are_read_as_people_write_them() {
    let expected = wire("447700900123");
    let accepted = [
        "+447700900123",
        "447700900123",
        "+44 7700 900-123",
        " 44 7700 900123 ",
        "+44 (0)7700 900123",
        "+44(0)7700900123",
        "44 (0) 7700 900123",
        "(+44) 7700 900123",
        "+44 (7700) 900\u{a0}123",
        "+44.7700900123",
        "44.7700.900.123",
        "+44 7700900123",
        "\t447700900123\r\n",
    ];
    for text in accepted {
        assert_eq!(number(NumberReader::default(), text), expected, "{text}");
        assert_eq!(number(of("GB"), text), expected, "{text}");
    }
    for text in [
        "07700 900123",
        "07700900123",
        "07700-900-123",
        "07700.900.123",
        "07700.900123",
        "00447700900123",
        "(07700) 900123",
        "(0)7700 900123",
        "(0) 7700 900 123",
        "00 44 (0)7700 900123",
    ] {
        assert_eq!(number(of("GB"), text), expected, "{text}");
        assert_eq!(number(NumberReader::default(), text), Err(NumberError::National), "{text}");
    }
}

#[test]
fn the_providers_own_test_numbers_are_accepted() {
    for text in ["+441111111111", "442222222222", "+15005550006"] {
        assert!(number(of("GB"), text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_no_number_is_named_as_such() {
    use NumberError::{Character, Empty, Length, NoDigits, PlusZero};
    let read = |text: &str| number(NumberReader::default(), text);
    assert_eq!(read(""), Err(Empty));
    assert_eq!(read(" \u{a0}\u{200b} "), Err(Empty));
    assert_eq!(read("123456"), Err(Length(6)));
    assert_eq!(read("1234567890123456"), Err(Length(16)));
    assert_eq!(read(&"4".repeat(10_000)), Err(NumberError::Long));
    assert_eq!(read("44.7700.900000"), wire("447700900000"));
    assert_eq!(read("+44770090012x"), Err(Character('x', 13)));
    assert_eq!(read("++447700900123"), Err(Character('+', 2)));
    assert_eq!(read("-447700900123"), Err(Character('-', 1)));
    for text in ["+", "()", "- -"] {
        assert_eq!(read(text), Err(NoDigits), "{text}");
    }
    assert_eq!(read("+0447700900123"), Err(PlusZero));
}

#[test]
fn what_is_more_than_a_number_reaches_nobody_else() {
    use NumberError::{Character, Control, Decimal, Further, Slash};
    for (text, wrong) in [
        ("447700900123\t34", Control('\t', 13)),
        ("447700900123\n447700900124", Control('\n', 13)),
        ("4477009\u{2028}00124", Control('\u{2028}', 8)),
        ("447700900124 7", Further),
        ("+447700900124 (7)", Further),
        ("+4930123456 447", Further),
        ("447700900123.123.45", Further),
        ("+49 30 123456/7", Slash),
        ("+442079460018/19", Slash),
        ("447700900123.0", Decimal),
        (" +447700900123.00", Decimal),
        ("447700900123.123", Decimal),
        ("447 700 900 123.25", Decimal),
        ("447 700 900 123.000", Decimal),
        ("0.447700900123", Decimal),
        ("44770090012.3", Decimal),
        ("447700900123x12", Character('x', 13)),
        ("447700900123 ext. 12", Character('e', 14)),
        ("447700900123#12", Character('#', 13)),
        ("447700900123,12", Character(',', 13)),
        ("447700900123;12", Character(';', 13)),
        ("+447700900123 +447700900124", Further),
        ("+4477009 +00124", Character('+', 10)),
    ] {
        for reader in [NumberReader::default(), of("GB")] {
            assert_eq!(number(reader, text), Err(wrong.clone()), "{text}");
        }
    }
}

#[test]
fn characters_that_nobody_sees_and_digits_of_other_scripts_are_no_matter() {
    for text in [
        "\u{202a}+447700900123\u{202c}",
        "\u{200e}+447700900123",
        "\u{2068}+447700900123\u{2069}",
        "\u{61c}+44 7700 900123",
        "+44 7700\u{ad}900123",
        "+44\u{200b}7700900123",
        "+44\u{2060}7700\u{feff}900123",
        "\u{feff}447700900123",
        "4\u{fe0f}47700900123",
        "\u{a0}+44\u{a0}7700\u{202f}900\u{2009}123\u{3000}",
        "+44\u{2011}7700\u{2013}900\u{2212}123",
        "＋４４ ７７００ ９００１２３",
        "（+44） 7700 900123",
        "+44 [7700] 900123",
        "٤٤٧٧٠٠٩٠٠١٢٣",
        "۴۴۷۷۰۰۹۰۰۱۲۳",
        "४४७७००९००१२३",
        "44770090012３",
        "+44·7700·900123",
    ] {
        assert_eq!(number(of("GB"), text), wire("447700900123"), "{}", text.escape_unicode());
        assert_eq!(number(NumberReader::default(), text), wire("447700900123"), "{}", text.escape_unicode());
    }
    assert_eq!(number(of("GB"), "０７７００ ９００１２３"), wire("447700900123"));
    assert_eq!(number(of("GB"), "\u{2212}447700900123"), Err(NumberError::Character('-', 1)));
}

#[test]
fn the_character_that_is_in_the_way_is_named_with_its_code_point_and_its_place() {
    let told = |text: &str| number(of("GB"), text).expect_err("refused").to_string();
    assert!(told("\u{200e}447700900123€").contains("`€` (U+20AC) at position 14"), "{}", told("\u{200e}447700900123€"));
    assert!(told("447700900123\u{2800}").contains("(U+2800) at position 13"));
    assert!(told("447700900123 \u{1}4").contains("a control character (U+0001) at position 14"));
    assert!(told("447700900123\t4").contains("a tab (U+0009) at position 13"));
    assert!(told("4477009O0123").contains("`O` (U+004F) at position 8"));
    assert_eq!(quoted("a\u{202a}b\u{a0}\n"), "`a\\u{202a}b\\u{a0}\\u{a}`");
    assert_eq!(quoted(&"x".repeat(41)), format!("`{}…`", "x".repeat(40)));
}

#[test]
fn what_keeps_numbers_texts_in_a_spreadsheet_is_no_matter() {
    for text in [
        "=\"447700900123\"",
        "=\"+447700900123\"",
        "= \"447700900123\"",
        "'+447700900123",
        "\u{2019}447700900123",
        "\u{2018}+44 7700 900123\u{2019}",
        "`447700900123",
        "\"447700900123\"",
        "\u{201c}447700900123\u{201d}",
        "=+447700900123",
        "'07700 900123",
    ] {
        assert_eq!(number(of("GB"), text), wire("447700900123"), "{text}");
    }
    for (text, c, at) in [("\"447700900123", '"', 1), ("'Anna", '\'', 1), ("447700900123'", '\'', 13), ("=A1", '=', 1)] {
        assert_eq!(number(of("GB"), text), Err(NumberError::Character(c, at)), "{text}");
    }
}

#[test]
fn numbers_that_a_spreadsheet_has_shortened_are_told_to_have_lost_their_digits() {
    for text in [
        "4.47701E+11",
        "4,47701E+11",
        "4.47700900123E+11",
        "4.477E11",
        "4.477e+11",
        "4E11",
        "4.47701 E+11",
        "4.47701E+011",
        "-4.47701E+11",
        "4.477×10^11",
        "4.477 x 10¹¹",
        "4,477*10^11",
    ] {
        let refused = number(of("GB"), text);
        assert_eq!(refused, Err(NumberError::Shortened), "{text}");
    }
    for text in ["447700900123x101", "447700900123E5", "E11", "4.4.7E+11"] {
        assert!(matches!(number(of("GB"), text), Err(NumberError::Character(..))), "{text}");
    }
}

#[test]
fn dates_and_addresses_of_computers_are_no_numbers() {
    for text in [
        "2026-11-25",
        "25.11.2026",
        "11/25/2026",
        "25/11/2026",
        "2026/11/25",
        "2026.11.25",
        "25-11-2026",
        "25. 11. 2026",
        "1.10.2026",
        "01-01-1990",
        "2026–11–25",
        "2026-11-25 10:30",
        "25.11.2026 10.30",
        "2026-11-25T10:00:00+01:00",
        "25 11 2026",
    ] {
        for reader in [NumberReader::default(), of("GB"), of("US"), of("DK")] {
            assert_eq!(number(reader, text), Err(NumberError::Date), "{text}");
        }
    }
    for text in ["192.168.100.12", "10.0.0.1", "255.255.255.255", "192.168.001.012", " 8.8.8.8 "] {
        assert_eq!(number(of("GB"), text), Err(NumberError::DottedQuad), "{text}");
    }
    // Phone numbers that resemble these only slightly.
    for (region, text, digits) in [
        ("GB", "44.7700.900.123", "447700900123"),
        ("DE", "030.123.45.67", "49301234567"),
        ("FR", "06.12.34.56.78", "33612345678"),
        ("US", "202.555.0123", "12025550123"),
        ("DK", "20 26 11 25", "4520261125"),
        ("US", "1 202 555 2026", "12025552026"),
    ] {
        assert_eq!(number(of(region), text), wire(digits), "{text}");
    }
}

#[test]
fn a_zero_in_brackets_is_dropped_only_after_a_country_code_that_has_one() {
    // Without the 0, the area code would become a country code: +1 711234567.
    assert_eq!(number(of("DE"), "(0) 171 1234567"), wire("491711234567"));
    for text in ["+39 (0)6 12345678", "+44 7700 (0)900123", "447700900123 (0)", "+(0)7700 900123", "(0)(0)7700 900123", "+1 (0)2025550123"]
    {
        let refused = number(of("GB"), text);
        assert!(matches!(refused, Err(NumberError::Zero | NumberError::Further)), "{text}: {refused:?}");
    }
}

#[test]
fn a_leading_zero_is_read_only_where_the_digits_stay_as_they_are() {
    for (region, text, expected) in [
        ("IT", "06 1234 5678", "390612345678"),
        ("HU", "06 30 123 4567", "36301234567"),
        ("GB", "0039 06 1234 5678", "390612345678"), // the 0 is Italian: it stays
        ("US", "011 44 7700 900123", "447700900123"),
        ("AU", "0011 44 7700 900123", "447700900123"),
        ("FR", "06 12 34 56 78", "33612345678"),
    ] {
        assert_eq!(number(of(region), text), wire(expected), "{region} {text}");
    }
    for (region, text) in [
        ("SG", "0044 7700 900123"), // 004 leads abroad there: +47 is Norway
        ("TH", "0044 7700 900123"),
        ("US", "07700 900123"),
        ("US", "0044 7700 900123"),
        ("BR", "0 21 11 91234 5678"), // a carrier, and the number
    ] {
        assert_eq!(number(of(region), text), Err(NumberError::OtherNational), "{region} {text}");
    }
}

/// What a text means in a region, and how it was read.
fn led(region: &str, text: &str) -> (String, How, bool) {
    let read = of(region).read(text).expect(text);
    (read.number.to_string(), read.how, read.doubtful.is_some())
}

#[test]
fn a_national_number_is_one_of_the_region_also_where_it_has_no_0_or_has_lost_it() {
    for (region, text, number) in [
        ("GB", "7700900123", "+447700900123"),
        ("GB", "7700 900 123", "+447700900123"),
        ("GB", "(7700) 900-123", "+447700900123"),
        ("GB", "1632960001", "+441632960001"),
        ("GB", "2079460018", "+442079460018"),
        ("GG", "7700900123", "+447700900123"),
        ("US", "2025550123", "+12025550123"),
        ("US", "(202) 555-0123", "+12025550123"),
        ("US", "202-555-0123", "+12025550123"),
        ("CA", "2025550123", "+12025550123"),
        ("JM", "2025550123", "+12025550123"),
        ("FR", "612345678", "+33612345678"),
        ("DE", "15123456789", "+4915123456789"),
        ("DE", "30 123456", "+4930123456"),
        ("NO", "41234567", "+4741234567"),
        ("DK", "20123456", "+4520123456"),
        ("ES", "612345678", "+34612345678"),
        ("IN", "9876543210", "+919876543210"),
        ("IN", "9112345678", "+919112345678"),
        ("SG", "91234567", "+6591234567"),
        ("KW", "51096468", "+96551096468"),
        ("PL", "512345678", "+48512345678"),
        ("CN", "13123456789", "+8613123456789"),
        ("ID", "812345678901", "+62812345678901"),
        ("BR", "55912345678", "+5555912345678"),
        ("IT", "3123456789", "+393123456789"),
        ("RU", "8 912 345-67-89", "+79123456789"),
        ("KZ", "8 (700) 123 45 67", "+77001234567"),
        ("LT", "861123456", "+37061123456"),
        ("HU", "06 30 123 4567", "+36301234567"),
        ("RU", "9123456789", "+79123456789"),
        ("KZ", "9123456789", "+79123456789"),
    ] {
        assert_eq!(led(region, text), (number.to_owned(), How::National, false), "{region} {text}");
    }
}

#[test]
fn a_number_with_its_country_code_stays_itself_in_every_region() {
    for metadata in DATABASE.iter() {
        for text in ["447700900123", "+447700900123", "441111111111", "+441111111111", "442222222222", "+15005550006"] {
            let read = of(metadata.id()).read(text).expect("a number");
            assert_eq!(read.number.to_string().trim_start_matches('+'), text.trim_start_matches('+'), "{}", metadata.id());
            assert_eq!(read.doubtful, None, "{} {text}", metadata.id());
        }
    }
    for (region, text, how) in [
        ("GB", "447700900123", How::OwnCountryCode),
        ("DE", "4915123456789", How::OwnCountryCode),
        ("US", "12025550123", How::OwnCountryCode),
        ("US", "1 416 555 0123", How::OwnCountryCode),
        ("BR", "5511912345678", How::OwnCountryCode),
        ("GB", "12025550123", How::WithoutPlus),
        ("IN", "12025550123", How::WithoutPlus),
        ("GB", "491511234567", How::WithoutPlus),
        ("", "447700900123", How::WithoutPlus),
        ("", "12025550123", How::WithoutPlus),
    ] {
        let digits = digits_of(text);
        assert_eq!(led(region, text), (format!("+{digits}"), how, false), "{region} {text}");
    }
}

#[test]
fn the_national_0_after_a_country_code_is_dropped_where_the_country_has_one() {
    for (text, number) in [
        ("+44 07700 900123", "+447700900123"),
        ("0044 07700 900123", "+447700900123"),
        ("+44 (0) 07700 900123", "+447700900123"),
        ("+44 (07700) 900123", "+447700900123"),
        ("4407700900123", "+447700900123"),
        ("+33 06 12 34 56 78", "+33612345678"),
        ("0033 06 12 34 56 78", "+33612345678"),
        ("+49 0151 23456789", "+4915123456789"),
        ("+61 0412 345 678", "+61412345678"),
        ("+36 06 30 123 4567", "+36301234567"),
        ("+39 06 1234 5678", "+390612345678"),
        ("+225 07 12 34 56 78", "+2250712345678"),
        ("+378 0549 886377", "+3780549886377"),
    ] {
        for region in ["GB", "FR", "DE"] {
            let (led, _, doubtful) = led(region, text);
            assert_eq!((&*led, doubtful), (number, false), "{region} {text}");
        }
    }
    assert_eq!(number(NumberReader::default(), "4407700900123"), wire("447700900123"));
    // A country without a national 0, and one where the number would still be too long without it.
    assert_eq!(led("GB", "+1 0202 555 0123"), ("+102025550123".to_owned(), How::International, true));
    assert_eq!(led("GB", "+44 07700 9001234"), ("+4477009001234".to_owned(), How::International, true));
}

#[test]
fn what_is_impossible_for_its_country_is_doubtful_and_says_why() {
    let doubt = |region: &str, text: &str| of(region).read(text).expect("read").doubtful.expect(text);
    for (text, doubtful) in [
        ("+4477009001234", Doubt::TooLong { region: "GB", digits: 11, most: 10 }),
        ("+44447700900123", Doubt::TooLong { region: "GB", digits: 12, most: 10 }),
        ("+1 202 555 01234", Doubt::TooLong { region: "US", digits: 11, most: 10 }),
        ("+7 700 900 123", Doubt::TooShort { region: "KZ", digits: 9, least: 10 }),
        ("+33 1234567", Doubt::TooShort { region: "FR", digits: 7, least: 9 }),
        ("+44 7700900", Doubt::NotInPlan { region: "GB" }),
        ("+10023456789", Doubt::NotInPlan { region: "US" }),
        ("+9991234567", Doubt::NoCountry),
        ("+2105550123", Doubt::NoCountry),
    ] {
        assert_eq!(doubt("GB", text), doubtful, "{text}");
        assert_eq!(doubt("", text.trim_start_matches('+')), doubtful, "{text}");
    }
    for text in ["1.234.567", "100234567", "20261125", "25112026", "20261125103000"] {
        for region in ["", "GB", "US"] {
            let read = of(region).read(text).expect("read");
            assert!(read.doubtful.is_some(), "{region} {text}: {read:?}");
        }
    }
    assert_eq!(doubt("GB", "100234567"), Doubt::Unknown { region: "GB" });
    assert_eq!(doubt("US", "2995550123"), Doubt::Unknown { region: "US" });
    // The 0 of an Italian number is part of it.
    assert_eq!(doubt("IT", "461234560"), Doubt::LostZero { region: "IT" });
    assert_eq!(doubt("GB", "07700 9001234"), Doubt::TooLong { region: "GB", digits: 11, most: 10 });
}
