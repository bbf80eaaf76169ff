use super::*;

fn lines(text: impl AsRef<[u8]>) -> NumberList {
    read_lines(BufReader::with_capacity(7, text.as_ref()), &Reading::default()).expect("read")
}

fn csv(text: impl AsRef<[u8]>, column: &str) -> Result<NumberList, Failure> {
    read_csv(BufReader::with_capacity(7, text.as_ref()), &column.into(), &Reading::default())
}

fn shown(list: &NumberList) -> Vec<String> {
    list.numbers.iter().map(ToString::to_string).collect()
}

fn wrong_lines(list: &NumberList) -> Vec<u64> {
    list.invalid.first.iter().map(|(line, _)| *line).collect()
}

#[test]
fn one_number_a_line_with_blank_lines_and_comments() {
    let list = lines("# customers\n+447700900123\n\n   \n447700900124\n  # more\n+44 7700 900-125");
    assert_eq!(shown(&list), ["+447700900123", "+447700900124", "+447700900125"]);
    assert_eq!((list.invalid, list.comments), (Remarks::default(), 2));
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn line_ends_and_encodings_of_other_systems_are_no_matter() {
    let (list, table) = ("447700900123\n\n447700900124\nAnna\n", "téléphone;nom\n447700900123;\"Zoé\nB.\"\n447700900124;B\nAnna;C\n");
    for end in ["\n", "\r\n", "\r"] {
        let (list, table) = (list.replace('\n', end), table.replace('\n', end));
        let latin = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
        for written in [
            |text: &str| text.as_bytes().to_vec(),
            |text: &str| format!("\u{feff}{text}").into_bytes(),
            |text: &str| utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes),
            |text: &str| utf_16(&format!("\u{feff}{text}"), u16::to_be_bytes),
            |text: &str| utf_16(text, u16::to_le_bytes),
            |text: &str| utf_16(text, u16::to_be_bytes),
        ]
        .into_iter()
        .map(|written| (written(&list), written(&table)))
        .chain([(latin(&list), latin(&table))])
        {
            let (list, table) = (lines(written.0), csv(written.1, "téléphone").expect("read"));
            assert_eq!((shown(&list), wrong_lines(&list)), (vec!["+447700900123".to_owned(), "+447700900124".to_owned()], vec![4]));
            assert_eq!((shown(&table), wrong_lines(&table)), (vec!["+447700900123".to_owned(), "+447700900124".to_owned()], vec![5]));
        }
    }
    // The Windows encodings of a no-break space and of an apostrophe.
    assert_eq!(shown(&lines(b"\x92+44\xa07700\xa0900123")), ["+447700900123"]);
    for (bytes, told) in [(&b"PK\x03\x04\x14\x00"[..], "save the sheet as CSV"), (&b"\xff\xfe\0\0+\0\0\0"[..], "UTF-32")] {
        assert!(read_lines(bytes, &Reading::default()).expect_err("no text").to_string().contains(told));
        assert!(csv(bytes, "phone").expect_err("no text").to_string().contains(told));
    }
}

#[test]
fn rows_without_a_number_are_told_with_their_lines() {
    let list = lines("447700900123\nAnna\n\n12345\n07700900123\n\u{661}\n");
    assert_eq!(list.numbers.len(), 1);
    assert_eq!(wrong_lines(&list), [2, 4, 5, 6]);
    let list = lines(b"\xe9\n447700900123\n");
    assert_eq!(
        list.invalid.first,
        [(1, "`é` is not a telephone number: it has `é` (U+00E9) at position 1; write it as +447700900123".to_owned())]
    );
}

#[test]
fn only_the_first_wrong_rows_are_kept() {
    let list = lines("x\n".repeat(25));
    assert_eq!((list.invalid.count, list.invalid.first.len()), (25, SHOWN));
    assert!(list.invalid.listed("line").ends_with("and 15 more"), "{}", list.invalid.listed("line"));
}

#[test]
fn a_huge_line_is_one_wrong_row_and_takes_no_memory() {
    let mut text = vec![b'4'; 3_000_000];
    text.extend_from_slice(b"\n447700900123\n");
    let list = lines(text);
    assert_eq!((wrong_lines(&list), list.numbers.len()), (vec![1], 1));
}

#[test]
fn an_empty_file_is_an_empty_list() {
    assert!(lines("").numbers.is_empty());
    assert!(csv("", "phone").expect("read").numbers.is_empty());
}

#[test]
fn the_column_of_a_csv_is_found_by_name_or_position() {
    let text = "Name,Phone,City\n\"Smith, A\",+447700900123,Leeds\n\nB,447700900124,\"two\nlines\"\nC,nope,X\nD\n";
    for column in ["phone", "Phone", "2"] {
        let list = csv(text, column).expect("read");
        assert_eq!(shown(&list), ["+447700900123", "+447700900124"], "{column}");
        assert_eq!(wrong_lines(&list), [6, 7], "{column}");
    }
}

#[test]
fn a_csv_without_column_names_needs_a_position() {
    let list = csv("447700900123;A\n447700900124;B\n", "1").expect("read");
    assert_eq!(list.numbers.len(), 2);
    assert_eq!(csv("447700900123\n447700900124\n", "1").expect("read").numbers.len(), 2);
    let wrong = csv("447700900123;A\n", "phone").expect_err("no such column");
    assert!(wrong.exit_code() == 2 && wrong.to_string().contains("\"447700900123\", \"A\""), "{wrong}");
}

#[test]
fn a_wrong_first_row_that_is_no_header_is_told() {
    assert_eq!(wrong_lines(&csv("123,A\n447700900124,B\n", "1").expect("read")), [1]);
}

#[test]
fn a_line_that_holds_more_than_a_number_is_told_and_reaches_nobody_else() {
    let list = lines("447700900123\t34\n447700900124 7\n447700900125,Anna\n447700900126;5\n447700900127 # Anna\n447700900128\n");
    assert_eq!((shown(&list), wrong_lines(&list)), (vec!["+447700900128".to_owned()], vec![1, 2, 3, 4, 5]));
    let list = csv("phone;n\n447700900123,34;1\n\"447700900124\n447700900125\";1\n447700900126;1\n", "phone").expect("read");
    assert_eq!((shown(&list), wrong_lines(&list)), (vec!["+447700900126".to_owned()], vec![2, 3]));
}

#[test]
fn a_row_whose_columns_are_shifted_is_told() {
    let text = "name,account,phone\nSmith, A,12345678,447700900123\n\"Smith, B\",12345679,447700900124\n";
    let list = csv(text, "phone").expect("read");
    assert_eq!((shown(&list), wrong_lines(&list)), (vec!["+447700900124".to_owned()], vec![2]));
}

#[test]
fn a_first_row_is_no_header_only_because_there_is_a_letter_in_it() {
    let list = csv("447700900123 ext 5,A\n447700900124,B\n", "1").expect("read");
    assert_eq!((list.numbers.len(), wrong_lines(&list)), (1, vec![1]));
    assert_eq!(wrong_lines(&csv("phone 1\n447700900124\n", "1").expect("read")), [0u64; 0]);
}

#[test]
fn rows_of_a_csv_that_begin_with_a_hash_are_rows() {
    let numbers = ["+447700900123", "+447700900124"];
    for (text, column) in [
        ("Name,Phone\n#1001,447700900123\n#1002,447700900124\n", "phone"),
        ("Name,Phone\n#1001,447700900123\nAnna,447700900124\n", "phone"),
        ("#1,447700900123\n#2,447700900124\n", "2"),
        ("#,Phone\n#1,447700900123\n#2,447700900124\n", "2"),
        ("Phone;Order\n447700900123;#1\n447700900124;#2", "Phone"),
        ("#Phone\n447700900123\n447700900124", "#phone"),
    ] {
        let list = csv(text, column).expect("read");
        assert_eq!((shown(&list), list.invalid.count), (numbers.map(str::to_owned).to_vec(), 0), "{text}");
    }
    let list = csv("phone\n# x\n447700900123\n#447700900124\n", "phone").expect("read");
    assert_eq!((list.numbers.len(), wrong_lines(&list)), (1, vec![2, 4]));
}

#[test]
fn the_separator_is_looked_for_where_the_columns_are_named() {
    let numbers = vec!["+447700900123".to_owned(), "+447700900124".to_owned()];
    for text in [
        "sep=;\nphone;name\n447700900123;A\n447700900124;B",
        "\u{feff}sep=,\r\nphone,name\r\n447700900123,A\r\n447700900124,B\r\n",
        "\"sep=|\"\nname|phone\na,b;c|447700900123\nd|447700900124\n",
        "SEP=\t\nname\tphone\na\t447700900123\nb\t447700900124\n",
        "\n  \nsep=;\n\nphone;name\n447700900123;A, B, C\n447700900124;B",
        "sep=:\nphone:name\n447700900123:A\n447700900124:B",
        "# made on the 25th, by A, for B\nphone;name\n447700900123;A\n447700900124;B",
        "# a, b\n# c\n\nname;phone\nA;447700900123\nB;447700900124",
        "\nphone;name\n447700900123;A\n447700900124;B",
        ",,,,\nphone;name\n447700900123;A\n447700900124;B",
        "\"Name, first, last\";phone\n\"A, B, C\";447700900123\nx;447700900124",
        "\"Name \"\"a, b, c\"\"\";phone\n\"A, B, C\";447700900123\nx;447700900124",
        "\"Name,\nand, more\";phone\nA;447700900123\nx;447700900124",
        "size 5\";phone;x\nA;447700900123;\nx;447700900124;",
        "name|phone\nA|447700900123\nx|447700900124",
        "name\tphone\nA\t447700900123\nx\t447700900124",
        "phone\n447700900123\n447700900124",
        "phone;name, first, last\n447700900123;A, B, C\n447700900124;B",
        "name; first; last,phone\nA,447700900123\nB,447700900124",
    ] {
        let list = csv(text, "phone").expect(text);
        assert_eq!((shown(&list), list.invalid.count), (numbers.clone(), 0), "{text}");
    }
    for text in ["# made on the 25th, by A, for B\nphone;name\n447700900123;A\n447700900124;B", "# x\n447700900123;A\n447700900124;B"] {
        let list = csv(text, "1").expect(text);
        assert_eq!((shown(&list), list.invalid.count, list.comments), (numbers.clone(), 0, 1), "{text}");
    }
    assert_eq!(shown(&csv("447700900123;Smith, A, B\n447700900124;B", "1").expect("read")), numbers);
    assert_eq!(shown(&csv("sep=;\n447700900123;A\n447700900124;B", "1").expect("read")), numbers);
    assert_eq!(csv("# a, b\n# c\nphone\n447700900123", "phone").expect("read").comments, 2);
}

#[test]
fn rows_with_nothing_in_them_are_blank_lines() {
    let list = csv("phone,name\n447700900123,A\n447700900124,B\n,\n,\n,,,,\n\"\",\" \"\n\u{a0},\u{200b}\n\n", "phone").expect("read");
    assert_eq!((list.numbers.len(), list.invalid.count), (2, 0));
    let list = csv("phone,name\n,A\n447700900124,\n", "phone").expect("read");
    assert_eq!((shown(&list), list.invalid.first), (vec!["+447700900124".to_owned()], vec![(2, "is empty".to_owned())]));
    // An additional column on every line is fine; only in the rows it makes them too long.
    assert_eq!(csv("phone,name,\n447700900123,A,\n", "phone").expect("read").numbers.len(), 1);
    let told = csv("phone,name\n447700900123,A,\n\"Smith\",B, C\n", "phone").expect("read").invalid.first;
    assert!(told[0].1.ends_with("remove the separators at its end") && told[1].1.ends_with("contain the separator"), "{told:?}");
}

#[test]
fn columns_of_one_name_are_told_and_names_are_compared_without_regard_to_case() {
    for text in ["Phone,Name,Phone\n447700900123,A,447700900124", "phone,Name,PHONE\n447700900123,A,447700900124"] {
        let told = csv(text, "phone").expect_err("which?").to_string();
        assert!(told.contains("2 columns with the name \"phone\"") && told.contains("--column 1 or --column 3"), "{told}");
        assert_eq!(shown(&csv(text, "3").expect("read")), ["+447700900124"]);
    }
    for (header, column) in [
        ("TÉLÉPHONE", "téléphone"),
        ("te\u{301}le\u{301}phone", "TÉLÉPHONE"),
        ("ТЕЛЕФОН", "телефон"),
        ("ΑΡΙΘΜΟΣ", "αριθμος"),
        ("Straße", "STRASSE"),
        ("\u{feff}Phone\u{a0}number", "phone number"),
        ("Ｐｈｏｎｅ", "phone"),
        ("\u{200e} phone \u{200f}", "Phone"),
    ] {
        let list = csv(format!("x,{header}\nA,447700900123"), column).expect(header);
        assert_eq!(list.numbers.len(), 1, "{header}");
    }
}

#[test]
fn a_stray_quotation_mark_swallows_no_row() {
    for (text, told) in [
        ("name,phone\n\"Al,447700900123\nBea,447700900124\n\"Cy\",447700900125", "line 2 opens a quotation mark that is closed in line 4"),
        ("name,phone\n\"Al,447700900123\nBea,447700900124\n\"Cy\",447700900125\nDi,447700900126\n", "line 2 opens"),
        ("name,phone\n\"Al\"x,447700900123\n", "line 2 opens a quotation mark that is closed in line 2, with more text"),
        ("name,phone\nAl,447700900123\n\"Bea,447700900124\n", "line 3 opens a quotation mark that is never closed"),
        ("name,phone\n\"a \\\"b\\\" c\",447700900123\n", "line 2 opens"),
        ("name,phone\r\rA,447700900123\r\"B,1\r", "line 4 opens"),
    ] {
        let refused = csv(text, "phone").expect_err("broken");
        assert!(refused.exit_code() == 2 && refused.to_string().contains(told), "{text}: {refused}");
    }
    // These are well-formed, but rows have disappeared inside a cell.
    for text in [
        "name,phone\n\"Al,447700900123\nBea,447700900124\nCy\",447700900125",
        "name,phone\n\"Al,447700900123\nCy\",447700900125",
        "phone,name\n447700900123,\"Al\n447700900124,Bea\n447700900125,Cy\"",
        "phone,name\n447700900123,\"Al\n447700900125,Cy\"",
        "name,phone\n\"Al,447700900123\r\nBea,447700900124\r\n\",447700900125",
    ] {
        let list = csv(text, "phone").expect("read");
        assert_eq!(wrong_lines(&list), [2], "{text}");
        assert!(list.invalid.first[0].1.contains("is a quotation mark missing"), "{text}");
    }
    // These are what they appear to be.
    let text = "name,phone,note\n\"two\nlines\",447700900123,\"a \"\"quoted\"\" word\"\n\"A\" ,\"447700900124\",\"12 High St,\nLeeds, 1234567\"\n5\" pipe,447700900125,\"\"\n";
    let list = csv(text, "phone").expect("read");
    assert_eq!((list.numbers.len(), list.invalid.count), (3, 0));
}

#[test]
fn what_was_taken_for_the_name_of_a_column_is_told() {
    assert_eq!(csv("Name,Phone\nA,447700900123", "2").expect("read").column_name.as_deref(), Some("Phone"));
    assert_eq!(csv("A,n/a\nA,447700900123", "2").expect("read").column_name.as_deref(), Some("n/a"));
    assert_eq!(csv("A,447700900123", "2").expect("read").column_name, None);
}

#[test]
fn doubtful_numbers_are_told_with_their_lines_and_refused_where_that_is_asked_for() {
    let text = "+447700900123\n+4477009001234\n07700 900124\n7700900125\n";
    let reader = NumberReader::new("GB".parse().ok());
    let list = read_lines(text.as_bytes(), &Reading { reader, strict: false, ..Reading::default() }).expect("read");
    assert_eq!((list.numbers.len(), list.doubtful.count, list.doubtful.first[0].0, list.tally.national), (4, 1, 2, 2));
    assert_eq!(list.tally.example.map(|(written, number)| format!("{written} {number}")).as_deref(), Some("07700 900124 +447700900124"));
    let list = read_lines(text.as_bytes(), &Reading { reader, strict: true, ..Reading::default() }).expect("read");
    assert_eq!((list.numbers.len(), list.doubtful.count, wrong_lines(&list)), (3, 0, vec![2]));
}

#[test]
fn a_quotation_mark_that_is_never_closed_is_told() {
    let text = format!("phone,name\n\"447700900123,A\n{}", "447700900124,B\n".repeat(30_000));
    assert!(csv(&text, "phone").expect_err("broken").to_string().contains("line 2"));
}
