use std::convert::Infallible;

use carillon_foundations::ids::{IdSource, ImportId};
use futures::executor::block_on;
use futures::stream;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

/// Takes a text apart that comes in pieces of `size` bytes.
fn parse_in(format: Format, input: &[u8], size: usize) -> Result<Vec<Parsed>, UploadError> {
    let chunks: Vec<Result<Bytes, Infallible>> =
        input.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let found: Vec<_> = block_on(rows(format, stream::iter(chunks)).collect());
    found.into_iter().collect()
}

/// The same, whatever the pieces.
fn parse(format: Format, input: impl AsRef<[u8]>) -> Vec<Parsed> {
    let input = input.as_ref();
    let whole = parse_in(format, input, usize::MAX).unwrap();
    for size in [1, 2, 7] {
        assert_eq!(parse_in(format, input, size).unwrap(), whole, "in pieces of {size}");
    }
    whole
}

fn unreadable(format: Format, input: impl AsRef<[u8]>) -> Unreadable {
    match parse_in(format, input.as_ref(), 3) {
        Err(UploadError::Unreadable(why)) => why,
        other => panic!("expected a refusal: {other:?}"),
    }
}

fn row(line: u64, contact: &str, columns: &[(&str, &str)]) -> Parsed {
    let columns = columns.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Row::of(line, (contact.to_owned(), None), columns)
}

fn reasons(rows: &[Parsed]) -> Vec<(u64, &str)> {
    let invalid = rows.iter().filter_map(|row| row.as_ref().err());
    invalid.map(|line| (line.line, line.reason.as_str())).collect()
}

#[test]
fn a_plain_file() {
    let rows = parse(Format::Csv, "Phone,First Name,City\n+573001,Ana,Bogotá\n+573002,Luis,\n");
    assert_eq!(
        rows,
        [
            row(2, "+573001", &[("first_name", "Ana"), ("city", "Bogotá")]),
            row(3, "+573002", &[("first_name", "Luis"), ("city", "")]),
        ]
    );
}

#[test]
fn a_bom_and_crlf_and_empty_lines() {
    let rows = parse(Format::Csv, "\u{feff}phone,name\r\n\r\n+571,Ana\r\n,\r\n\r\n+572,Luis");
    assert_eq!(rows, [row(3, "+571", &[("name", "Ana")]), row(6, "+572", &[("name", "Luis")])]);
}

#[test]
fn old_line_ends_count_too() {
    let rows = parse(Format::Csv, "phone,name\r+571,Ana\r+572,Luis\r");
    assert_eq!(rows, [row(2, "+571", &[("name", "Ana")]), row(3, "+572", &[("name", "Luis")])]);
}

#[test]
fn quotes_hold_commas_line_breaks_and_quotes() {
    let rows = parse(
        Format::Csv,
        "name,phone\n\"Pérez, Ana\",+571\n\"two\nlines\",+572\n\"a \"\"b\"\"\",+573\n",
    );
    assert_eq!(
        rows,
        [
            row(2, "+571", &[("name", "Pérez, Ana")]),
            row(3, "+572", &[("name", "two\nlines")]),
            row(5, "+573", &[("name", "a \"b\"")]),
        ]
    );
}

#[test]
fn semicolons_and_tabs_are_found_out() {
    for delimiter in [";", "\t"] {
        let file = "phone;name;a,b\n+571;Ana;\"x;y\"\n".replace(';', delimiter);
        let inside = format!("x{delimiter}y");
        let rows = parse(Format::Csv, file);
        assert_eq!(rows, [row(2, "+571", &[("name", "Ana"), ("a,b", &inside)])]);
    }
}

#[test]
fn a_line_that_is_not_utf8_leaves_the_others_alone() {
    let rows = parse(Format::Csv, b"phone,name\n+571,Ana\n+572,Jos\xe9\n+573,Eva\n");
    assert_eq!(rows.iter().filter(|row| row.is_ok()).count(), 2);
    let reason = "is not valid UTF-8: save the file as \"CSV UTF-8\"";
    assert_eq!(reasons(&rows), [(3, reason)]);
}

#[test]
fn the_contact_column_has_many_names() {
    for name in ["phone", "Mobile", " WhatsApp ", "Phone Number", "TELÉFONO", "celular", "to"] {
        let rows = parse(Format::Csv, format!("{name},x\n+571,1\n"));
        assert_eq!(rows, [row(2, "+571", &[("x", "1")])], "{name}");
    }
    let both = parse(Format::Csv, "contact,phone\nAna,+571\n");
    assert_eq!(both, [row(2, "+571", &[("contact", "Ana")])]);
}

#[test]
fn a_line_may_have_a_phone_a_bsuid_or_both() {
    let rows = parse(Format::Csv, "phone,bsuid\n,CO.134\n+573001234567,CO.135\n");
    let addresses = |index: usize| {
        let row: &Row = rows[index].as_ref().unwrap();
        row.addresses(None).unwrap().iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(addresses(0), ["CO.134"]);
    assert_eq!(addresses(1), ["+573001234567", "CO.135"]);
}

#[test]
fn a_header_without_phone_names_what_it_has() {
    let why = unreadable(Format::Csv, "name,city\nAna,Bogotá\n");
    assert_eq!(why, Unreadable::NoContactColumn { found: vec!["name".into(), "city".into()] });
    let words = why.to_string();
    assert!(words.contains("it has name, city; expected one of phone, phone_number"), "{words}");
    assert!(matches!(
        unreadable(Format::Csv, "+573001234567\n+573001234568\n"),
        Unreadable::NoContactColumn { .. }
    ));
}

#[test]
fn what_is_no_csv_says_why() {
    assert_eq!(unreadable(Format::Csv, ""), Unreadable::Empty);
    assert_eq!(unreadable(Format::Csv, "\n\r\n"), Unreadable::Empty);
    assert_eq!(unreadable(Format::Csv, b"\xff\xfep\0h\0"), Unreadable::Utf16);
    assert_eq!(unreadable(Format::Csv, b"phone,a\xe9o\n1,2\n"), Unreadable::HeaderNotUtf8);
    assert_eq!(unreadable(Format::Csv, "\"phone,name\n+571,Ana\n"), Unreadable::OpenQuote);
    let wide =
        format!("phone,{}\n", (0..65).map(|n| format!("c{n}")).collect::<Vec<_>>().join(","));
    assert_eq!(unreadable(Format::Csv, wide), Unreadable::TooManyColumns(65));
    assert_eq!(unreadable(Format::Csv, "x".repeat(MAX_LINE + 2)), Unreadable::HeaderTooLong);
}

#[test]
fn a_header_alone_brings_nothing() {
    assert_eq!(parse(Format::Csv, "phone,name"), []);
}

#[test]
fn rows_may_be_shorter_but_not_longer_than_the_header() {
    let rows = parse(Format::Csv, "phone,name,city\n+571\n+572,Ana,B,,\n+573,Ana,B,more\n");
    assert_eq!(rows[0], row(2, "+571", &[("name", ""), ("city", "")]));
    assert!(rows[1].is_ok());
    assert!(reasons(&rows)[0].1.starts_with("has 4 fields, and the header has 3"));
}

#[test]
fn too_long_values_and_lines_are_reported() {
    let value = "é".repeat(MAX_VALUE + 1);
    let line = "x".repeat(MAX_LINE + 10);
    let file = format!("phone,name\n+571,{value}\n+572,{line}\n+573,Ana\n");
    let rows = parse(Format::Csv, file);
    assert_eq!(rows[2], row(4, "+573", &[("name", "Ana")]));
    let reasons = reasons(&rows);
    assert_eq!(reasons[0], (2, "name has 1025 characters; at most 1024 are allowed"));
    assert!(reasons[1].1.starts_with("is longer than 64 KiB"), "{reasons:?}");
}

#[test]
fn a_quote_that_is_never_closed_is_named_by_its_line() {
    let rows = parse(Format::Csv, "phone,name\n+571,Ana\n+572,\"Luis\n+573,Eva\n+574,Paz");
    assert_eq!(rows[0], row(2, "+571", &[("name", "Ana")]));
    assert!(reasons(&rows)[0].1.starts_with("a quote is opened here and never closed"));
    assert_eq!((rows.len(), reasons(&rows)[0].0), (2, 3));
}

#[test]
fn an_array_of_objects() {
    let json = r#" [ {"phone": "+571", "First Name": "A, [b] {c} \"d\" \\"}, {"to": 573001234567, "vip": true, "x": null} ,
        {"bsuid": "CO.134"}] "#;
    let rows = parse(Format::JsonArray, json);
    assert_eq!(
        rows,
        [
            row(1, "+571", &[("first_name", "A, [b] {c} \"d\" \\")]),
            row(2, "573001234567", &[("vip", "true"), ("x", "")]),
            row(3, "CO.134", &[]),
        ]
    );
}

#[test]
fn bad_elements_leave_the_others_alone() {
    let json = r#"[1, {"name": "Ana"}, {"phone": {"a": 1}}, {"phone" "x"}, {"phone": "+571"}]"#;
    let rows = parse(Format::JsonArray, json);
    assert_eq!(rows[4], row(5, "+571", &[]));
    let reasons: Vec<_> = reasons(&rows).into_iter().map(|(line, _)| line).collect();
    assert_eq!(reasons, [1, 2, 3, 4]);
}

#[test]
fn an_array_that_breaks_off_says_so() {
    let rows = parse(Format::JsonArray, r#"[{"phone": "+571"}, {"phone": "+5"#);
    assert_eq!((rows.len(), reasons(&rows).len()), (2, 1));
    assert!(reasons(&rows)[0].1.starts_with("the JSON breaks off here"));
    assert_eq!(unreadable(Format::JsonArray, r#"{"phone": "+571"}"#), Unreadable::NotAnArray);
    assert_eq!(unreadable(Format::JsonArray, "  "), Unreadable::Empty);
    assert_eq!(parse(Format::JsonArray, "[]"), []);
    assert_eq!(parse(Format::JsonArray, "[] x").len(), 1);
}

#[test]
fn one_object_a_line() {
    let rows =
        parse(Format::JsonLines, "{\"phone\": \"+571\"}\r\n\n{\"phone\": \n{\"phone\": \"+572\"}");
    assert_eq!((&rows[0], &rows[2]), (&row(1, "+571", &[]), &row(4, "+572", &[])));
    assert_eq!(reasons(&rows), [(3, "is not valid JSON")]);
}

#[test]
fn phones_in_ten_national_styles() {
    for (country, written, expected) in [
        ("CO", "300 123 4567", "+573001234567"),
        ("CO", "57 300-123-4567", "+573001234567"),
        ("BR", "(11) 91234-5678", "+5511912345678"),
        ("MX", "55 1234 5678", "+525512345678"),
        ("GB", "07911 123456", "+447911123456"),
        ("DE", "0151 23456789", "+4915123456789"),
        ("FR", "06.12.34.56.78", "+33612345678"),
        ("IN", "098765 43210", "+919876543210"),
        ("US", "(202) 555-0173", "+12025550173"),
        ("ID", "0812-3456-7890", "+6281234567890"),
    ] {
        let rows = parse(Format::Csv, format!("phone\n\"{written}\"\n"));
        let key = rows[0].as_ref().unwrap().addresses(country.parse().ok()).unwrap().remove(0);
        assert_eq!(key.as_str(), expected, "{written} in {country}");
    }
}

#[test]
fn a_shortened_number_says_what_to_do() {
    let parsed = row(2, "5.73001E+11", &[]).unwrap().addresses(None).unwrap_err();
    assert!(parsed.reason.starts_with("a spreadsheet has shortened the number"));
}

/// 200,000 lines that are made while they are read: at no moment is more held
/// than one piece of them.
#[test]
fn a_large_file_is_never_held() {
    const ROWS: u64 = 200_000;
    let header = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"phone,name,city\n"))]);
    let lines = stream::iter((0..ROWS / 1000).map(|block| {
        let lines = (0..1000).map(|n| format!("+57300{:07},Ana María,Bogotá\n", block * 1000 + n));
        Ok(Bytes::from(lines.collect::<String>()))
    }));
    let rows = rows(Format::Csv, header.chain(lines));
    let (mut count, mut last) = (0, 0);
    let mut rows = std::pin::pin!(rows);
    while let Some(row) = block_on(rows.next()) {
        let row = row.unwrap().unwrap();
        assert_eq!(row.line, last.max(1) + 1);
        (count, last) = (count + 1, row.line);
    }
    assert_eq!(count, ROWS);
}

#[test]
fn more_than_64_mib_is_refused_where_it_ends() {
    let line = Bytes::from(format!("+573001234567,{}\n", "x".repeat(1000)).repeat(1000));
    let header = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"phone,name\n"))]);
    let endless = stream::repeat_with(move || Ok(line.clone()));
    let found = rows(Format::Csv, header.chain(endless))
        .take_while(|row| std::future::ready(!matches!(row, Err(UploadError::TooLarge))));
    let count = block_on(found.count());
    assert!((60_000..70_000).contains(&count), "{count}");
}

#[test]
fn a_body_that_breaks_off_ends_the_rows() {
    let chunks = [Ok("phone\n+571\n+5"), Err("reset")].map(|chunk| chunk.map(Bytes::from));
    let found: Vec<_> = block_on(rows(Format::Csv, stream::iter(chunks)).collect());
    assert!(matches!(found[..], [Ok(Ok(_)), Err(UploadError::BrokenOff(_))]), "{found:?}");
}

#[test]
fn the_first_bad_lines_are_named_in_order() {
    let mut report = Report::default();
    let id = ImportId::from_uuid(IdSource::seeded(1).uuid(Timestamp::UNIX_EPOCH));
    let mut import = Import::new(id, Timestamp::UNIX_EPOCH);
    for line in (1..=1500).rev() {
        report.count(Settled::Invalid(InvalidLine::new(line, "", "bad")), &mut import);
    }
    assert_eq!((report.invalid.len(), report.invalid_total), (MAX_NAMED, 1500));
    assert_eq!((report.invalid[0].line, report.invalid[999].line), (1, 1000));
}

#[test]
fn an_upload_has_64_columns_at_most() {
    let objects = (0..70).map(|n| format!("{{\"phone\": \"+571\", \"c{n}\": 1}}\n"));
    let rows = parse(Format::JsonLines, objects.collect::<Vec<_>>().concat());
    assert_eq!(reasons(&rows).len(), 6);
    assert_eq!(reasons(&rows)[0], (65, "the upload has more than 64 different columns"));
    let long = "n".repeat(MAX_NAME + 1);
    let rows = parse(Format::JsonLines, format!("{{\"phone\": \"+571\", \"{long}\": 1}}"));
    assert_eq!(reasons(&rows), [(1, "a column's name may have 64 characters")]);
    let why = unreadable(Format::Csv, format!("phone,{long}\n"));
    assert_eq!(why, Unreadable::LongColumnName("n".repeat(MAX_NAME)));
}

proptest! {
    /// Whatever comes, in whatever pieces: no panic, and the same rows.
    #[test]
    fn pieces_make_no_difference(
        bytes in prop::collection::vec(
            prop_oneof![
                Just(b"\"".to_vec()), Just(b",".to_vec()), Just(b"\r\n".to_vec()),
                Just(b"\n".to_vec()), Just(b"\r".to_vec()), Just(b"{".to_vec()),
                Just(b"}".to_vec()), Just(b"[".to_vec()), Just(b"]".to_vec()),
                Just(b"\\".to_vec()), Just(b"\"phone\": \"+57\"".to_vec()),
                Just(b"+573001234567".to_vec()), any::<u8>().prop_map(|byte| vec![byte]),
            ],
            0..80,
        ),
        size in 1usize..9,
    ) {
        let tail = bytes.concat();
        for (format, head) in
            [(Format::Csv, "phone,name\n"), (Format::JsonArray, "["), (Format::JsonLines, "")]
        {
            let input = [head.as_bytes(), &tail].concat();
            let whole = parse_in(format, &input, usize::MAX).unwrap();
            prop_assert!(whole.is_sorted_by_key(line_of), "{:?}", whole);
            prop_assert_eq!(parse_in(format, &input, size).unwrap(), whole);
        }
    }
}

fn line_of(row: &Parsed) -> u64 {
    row.as_ref().map_or_else(|invalid| invalid.line, |row| row.line)
}
