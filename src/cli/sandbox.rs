//! `receiptd sandbox`: the simulated provider on its own, with named profiles and a flag for each of their values.

mod knobs;

use std::io::{self, Write};

use clap::{Args, builder::PossibleValuesParser};

use self::knobs::Knobs;
use super::serve::asked_to_stop;
use crate::simulator::{Bound, Counts, Profile, Settings};

const EXAMPLES: &str = "\
Examples:
  receiptd sandbox
  receiptd sandbox --profile stormy --seed 7
  receiptd sandbox --failing 30% --codes 22=3,46 --delay 1s..5s --fault 503-retry=10% --fault close=2%

To use it, write into receiptd.toml:
  [provider]
  base_url = \"http://127.0.0.1:8090\"
and set the key: RECEIPTD_PROVIDER__KEY=sandbox-key";

/// Arguments of `receiptd sandbox`.
///
/// A share is a percentage (`8%`) or a fraction (`0.08`) of a batch's destinations. A span is one duration (`50ms`) or
/// two (`1s..5s`). The profile decides what is not given.
#[derive(Args, Clone, Debug)]
#[command(
    about = "Run the provider simulator on its own",
    long_about = "Run the provider simulator on its own: it accepts batches, posts receipts to their callbacks, and fails as configured. \
        Nothing is sent to anybody. A SHARE is a percentage (8%) or a fraction (0.08) of a batch's destinations, a SPAN one length of time \
        (50ms) or two (1s..5s); values that are not given come from the profile",
    after_help = EXAMPLES
)]
pub struct SandboxArgs {
    /// Address to listen on; port 0 chooses a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub listen: String,
    /// Account key that requests must carry; never use a real one, because the process list shows it
    #[arg(long, default_value = "sandbox-key")]
    pub key: String,
    /// Status to answer a wrong key with
    #[arg(long, value_name = "STATUS", default_value_t = 401, value_parser = clap::value_parser!(u16).range(400..=499))]
    pub bad_key: u16,
    /// Credits of the account: a batch costs one per number and part, and is answered 402 if there are too few
    #[arg(long, value_name = "N")]
    pub credits: Option<u64>,
    /// Sender ID that the account owns (repeatable); by default every sender is allowed
    #[arg(long = "sender", value_name = "SENDER")]
    pub senders: Vec<String>,
    /// Make the run repeatable: the same seed and batches give the same receipts
    #[arg(long)]
    pub seed: Option<u64>,
    /// How the provider behaves
    #[arg(long, default_value = "calm", value_parser = PossibleValuesParser::new(Profile::NAMES))]
    pub profile: String,
    /// Values that override the profile.
    #[command(flatten)]
    pub knobs: Knobs,
}

/// Runs the simulator until SIGINT or SIGTERM. Prints how to use it, and at the end what happened, on standard output.
///
/// # Errors
/// If the address cannot be used, or the server fails.
pub async fn run(args: SandboxArgs, json: bool) -> io::Result<()> {
    let settings = Settings {
        key: args.key,
        bad_key: args.bad_key,
        credits: args.credits,
        senders: args.senders,
        seed: args.seed.unwrap_or_else(Settings::random_seed),
        profile: args.knobs.apply(Profile::named(&args.profile).unwrap_or_default()),
        keep_bodies: false,
        ..Settings::default()
    };
    let (key, seed) = (settings.key.clone(), settings.seed);
    let bound = Bound::bind(settings, &args.listen).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}. Choose another address with --listen", args.listen))
    })?;
    let handle = bound.handle();
    // Before anything is printed: the reader may stop the program at once.
    let stopping = asked_to_stop().map_err(io::Error::other)?;
    let mut out = io::stdout();
    if json {
        writeln!(out, "{}", serde_json::json!({"url": bound.url(), "profile": args.profile, "seed": seed, "key": key}))?;
    } else {
        writeln!(out, "Provider simulator on {}: profile {}, seed {seed}, key {key}", bound.url(), args.profile)?;
        writeln!(out, "Use it with: provider.base_url = \"{}\", RECEIPTD_PROVIDER__KEY={key}", bound.url())?;
        writeln!(out, "Nothing is sent to anybody. Press Ctrl-C to stop.")?;
    }
    out.flush()?;
    let stopper = handle.clone();
    let signals = actix_web::rt::spawn(async move {
        stopping.await;
        stopper.stop();
    });
    let ended = bound.run().await;
    signals.abort();
    if json {
        writeln!(out, "{}", counted(&handle.counts()))?;
    } else {
        write!(out, "{}", summary(&handle.counts()))?;
    }
    ended
}

fn counted(counts: &Counts) -> serde_json::Value {
    serde_json::json!({
        "batches": counts.batches, "destinations": counts.destinations, "dry_runs": counts.dry_runs, "refused": counts.refused,
        "faults": counts.faults, "receipts": counts.receipts, "duplicates": counts.duplicates, "early": counts.early,
        "repeated": counts.retries, "withheld": counts.lost, "answers": counts.answers, "unanswered": counts.unanswered,
    })
}

fn summary(counts: &Counts) -> String {
    let answers: Vec<_> = counts.answers.iter().map(|(status, number)| format!("{number} x {status}")).collect();
    let answers = if answers.is_empty() { "none".into() } else { answers.join(", ") };
    format!(
        "\nbatches accepted  {} ({} destinations), {} dry runs, {} refused, {} faults\n\
         receipts posted   {} ({} duplicates, {} early, {} repeated), {} withheld\n\
         callback answers  {answers}; {} requests unanswered\n",
        counts.batches,
        counts.destinations,
        counts.dry_runs,
        counts.refused,
        counts.faults,
        counts.receipts,
        counts.duplicates,
        counts.early,
        counts.retries,
        counts.lost,
        counts.unanswered,
    )
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;
    use crate::simulator::{Answer, Code, Fault, Span, Spelling};

    fn parse(line: &str) -> Result<SandboxArgs, clap::Error> {
        let command = SandboxArgs::augment_args(Command::new("sandbox"));
        command.try_get_matches_from(line.split(' ')).and_then(|matches| SandboxArgs::from_arg_matches(&matches))
    }

    #[test]
    fn the_arguments_are_sound() {
        SandboxArgs::augment_args(Command::new("sandbox")).debug_assert();
    }

    #[test]
    fn flags_override_the_profile() {
        let args =
            parse("sandbox --profile flaky --failing 30% --codes 22=3,46 --delay 1s..5s --latency 5ms --fault close=0.02 --uuid neither");
        let args = args.expect("good arguments");
        let profile = args.knobs.apply(Profile::named(&args.profile).expect("a profile"));
        assert!((profile.failing - 0.3).abs() < 1e-9);
        assert_eq!(profile.codes[1], Code { code: "46".into(), weight: 1 });
        assert_eq!(profile.delay, Span::millis(1_000, 5_000));
        assert_eq!(profile.latency, Span::millis(5, 5));
        assert_eq!(profile.faults, [Fault { share: 0.02, taken: true, answer: Answer::Close }]);
        assert_eq!(profile.wire.uuid, Spelling::Neither);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "--failing 200%",
            "--failing -1",
            "--delay 5s..1s",
            "--fault hang",
            "--fault 200=1%",
            "--profile sunny",
            "--codes 22=x",
            "--bad-key 200",
            "--credits -1",
        ] {
            assert!(parse(&format!("sandbox {line}")).is_err(), "{line}");
        }
    }

    #[actix_web::test]
    async fn an_address_in_use_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("an address");
        let args = parse(&format!("sandbox --listen {address}")).expect("good arguments");
        let error = run(args, false).await.expect_err("in use");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
