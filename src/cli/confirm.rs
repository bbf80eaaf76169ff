//! The one rule of confirmation: more than [`ASKED_ABOVE`] messages, or something that cannot be undone, needs a yes on
//! the terminal. Without a terminal, `--yes` is required, and without it nothing is done.

use clap::Args;

use super::Failure;
use super::output::count;
use super::terminal::Terminal;

/// The number of messages that may be sent or cancelled without a question.
const ASKED_ABOVE: u64 = 100;

/// The flag `--yes` of every command that may ask.
#[derive(Clone, Copy, Debug, Args)]
pub struct Consent {
    /// Answer yes to the question beforehand; needed where there is no terminal to ask on
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Asks about messages if there are more than a few. `done` says what is not done after a no, such as "nothing was
    /// sent".
    pub(super) fn to_messages(self, messages: u64, question: &str, done: &str) -> Result<(), Failure> {
        if messages > ASKED_ABOVE { self.to(question, done) } else { Ok(()) }
    }

    /// Asks about something that cannot be undone. `done` says what is not done after a no, such as "nothing was
    /// deleted".
    pub(super) fn to(self, question: &str, done: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        let Some(terminal) = Terminal::open() else {
            return Err(Failure::Usage(format!("{question}\nThere is no terminal to answer on, so {done}. To go ahead, pass --yes")));
        };
        match terminal.ask_whether(question, false) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Declined(format!("Cancelled; {done}."))),
            Err(error) => Err(Failure::Failed(format!("cannot read the answer: {error}; {done}"))),
        }
    }
}

/// `1 message`, `2,000 messages`.
pub(super) fn messages(number: u64) -> String {
    count(number, "message", "messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_messages_need_no_question_and_a_yes_beforehand_answers_it() {
        assert!(Consent { yes: false }.to_messages(100, "Send?", "nothing was sent").is_ok());
        assert!(Consent { yes: true }.to_messages(101, "Send?", "nothing was sent").is_ok());
    }
}
