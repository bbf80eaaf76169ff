//! docs/reference/sandbox.md, from the profiles of the simulator.

use std::time::Duration;

use clap::CommandFactory;
use receiptd::cli::Cli;
use receiptd::simulator::{Answer, Fault, Profile, Repeated, Span, Spelling, Strictness, Wire};

use super::{agree, row, table};

const INTRODUCTION: &str = "\
# The sandbox
`receiptd sandbox` plays the provider: it accepts batches, posts receipts to their callbacks, and fails as its profile says. Nothing is
sent to anybody. This page is generated from the program.

```text
receiptd sandbox --profile stormy --seed 7
```

| profile | what it is for |
| --- | --- |
| `calm` | the default: everything is delivered, soon after the answer |
| `realistic` | an ordinary day: some failures, few duplicates, a small share late |
| `stormy` | everything that may happen to receipts, often |
| `deaf` | receipts are never posted; only asking the provider finds them |
| `liar` | the provider ignores our id, writes its own in upper case, and its counts are wrong |
| `flaky` | one submission in three fails, in ways that leave the fate of the batch more or less clear |

## What each profile sets
A value of `calm` holds in the other profiles unless they have one of their own. A flag wins over the profile.

";

/// A knob's value in words; `-` where it does nothing.
type Knob = (&'static str, String);

#[test]
fn the_reference_of_the_sandbox_is_what_its_profiles_set() {
    let profiles: Vec<Vec<Knob>> = Profile::NAMES.iter().map(|name| knobs(Profile::named(name).expect("a profile"))).collect();
    let head: Vec<&str> = ["flag", "meaning"].into_iter().chain(Profile::NAMES).collect();
    let command = Cli::command();
    let sandbox = command.find_subcommand("sandbox").expect("a command");
    let mut text = INTRODUCTION.to_owned() + &table(&head);
    for (index, (flag, calm)) in profiles[0].iter().enumerate() {
        let known = sandbox.get_arguments().find(|argument| argument.get_long() == Some(flag.trim_start_matches("--")));
        let meaning = known.and_then(|argument| argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let meaning = meaning.split([':', '(']).next().unwrap_or_default().trim().to_owned();
        assert_eq!(known.is_some(), flag.starts_with("--"), "{flag}");
        let mut cells = vec![if flag.starts_with("--") { format!("`{flag}`") } else { "no flag".to_owned() }];
        cells.push(if known.is_some() { meaning } else { (*flag).to_owned() });
        cells.push(calm.clone());
        cells.extend(profiles[1..].iter().map(|of| if of[index].1 == *calm { String::new() } else { of[index].1.clone() }));
        text += &row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text += "\n`flaky` answers `503` with and without `Retry-After`, `429`, `502`, resets, closes, cuts its answer short, or hangs; `taken` means \
             that the batch was accepted all the same.\n\nOptions of the command itself are in [cli.md](cli.md#sandbox).\n";
    agree("sandbox.md", &text);
}

/// Every field of a profile: a new one does not compile until it is shown.
fn knobs(profile: Profile) -> Vec<Knob> {
    let Profile {
        latency,
        delay,
        failing,
        codes,
        never,
        lost,
        early,
        late,
        late_by,
        duplicate,
        fallback,
        unexpected,
        unreadable,
        odd,
        oddities,
        per_post,
        deaf,
        hold,
        retries,
        retry_after,
        counts_disagree,
        shared_message_uuids,
        null_info,
        wire,
        faults,
    } = profile;
    let Wire { uuid, dry_run, send_at, strictness, repeated, upper_case, .. } = wire;
    let yes = |is: bool| if is { "yes".to_owned() } else { "-".to_owned() };
    let codes: Vec<String> = codes.iter().map(|code| format!("{}={}", code.code, code.weight)).collect();
    let faults: Vec<String> = faults.iter().map(fault).collect();
    assert!(!hold && oddities.len() == 9, "no profile of a name has these otherwise");
    vec![
        ("--failing", share(failing)),
        ("--codes", codes.join(",")),
        ("--never", share(never)),
        ("--lost", share(lost)),
        ("--early", share(early)),
        ("--late", share(late)),
        ("--late-by", span(late_by)),
        ("--duplicate", share(duplicate)),
        ("--fallback", share(fallback)),
        ("--unexpected", share(unexpected)),
        ("--unreadable", share(unreadable)),
        ("--odd", share(odd)),
        ("--per-post", per_post.to_string()),
        ("--deaf", yes(deaf)),
        ("--delay", span(delay)),
        ("--retries", retries.to_string()),
        ("--retry-after", span(retry_after)),
        ("--counts-disagree", yes(counts_disagree)),
        ("--shared-message-uuids", yes(shared_message_uuids)),
        ("--latency", span(latency)),
        ("--fault", if faults.is_empty() { "-".to_owned() } else { faults.join(", ") }),
        ("--uuid", spelling(uuid).to_owned()),
        ("--dry-run", spelling(dry_run).to_owned()),
        ("--send-at", spelling(send_at).to_owned()),
        (
            "--strict",
            match strictness {
                Strictness::Lenient => "-",
                Strictness::UnknownFields => "fields",
                Strictness::Pairs => "pairs",
            }
            .to_owned(),
        ),
        (
            "--repeated",
            match repeated {
                Repeated::Second => "second",
                Repeated::Conflict => "conflict",
                Repeated::Same => "same",
            }
            .to_owned(),
        ),
        ("Share of settled details without a code", share(null_info)),
        ("The provider writes ids in upper case", yes(upper_case)),
    ]
}

fn share(share: f64) -> String {
    let percent = (share * 1_000.0).round() / 10.0;
    if share == 0.0 { "-".to_owned() } else { format!("{percent}%") }
}

fn span(span: Span) -> String {
    let length = |time: Duration| humantime(time);
    match span {
        Span { min, max } if max.is_zero() && min.is_zero() => "-".to_owned(),
        Span { min, max } if min >= max => length(min),
        Span { min, max } => format!("{}..{}", length(min), length(max)),
    }
}

fn humantime(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 1_000 == 0 => format!("{}s", millis / 1_000),
        millis => format!("{millis}ms"),
    }
}

fn spelling(spelling: Spelling) -> &'static str {
    match spelling {
        Spelling::Either => "either",
        Spelling::Table => "table",
        Spelling::Example => "example",
        Spelling::Neither => "neither",
    }
}

fn fault(Fault { share: part, taken, answer }: &Fault) -> String {
    let kind = match answer {
        Answer::Hang if *taken => "taken-hang".to_owned(),
        Answer::Hang => "hang".to_owned(),
        Answer::Reset => "reset".to_owned(),
        Answer::Close => "close".to_owned(),
        Answer::CutShort => "cut".to_owned(),
        Answer::WithoutIdentifier => "nameless".to_owned(),
        Answer::Status { status, headers, .. } => {
            let retry = if headers.iter().any(|(name, _)| name == "Retry-After") { "-retry" } else { "" };
            format!("{status}{retry}{}", if *taken { " taken" } else { "" })
        }
        other => unreachable!("no profile answers {other:?}"),
    };
    format!("{kind}={}", share(*part))
}
