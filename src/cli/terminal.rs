//! The terminal of this process, even if its standard input or output is something else: a list may come from standard
//! input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::escape::plain;

/// A terminal for asking questions.
pub(super) struct Terminal(File);

impl Terminal {
    /// The controlling terminal of this process; `None` if there is none, as in cron.
    pub(super) fn open() -> Option<Self> {
        File::options().read(true).write(true).open("/dev/tty").ok().map(Self)
    }

    /// Asks a question and reads a line; it is empty at the end of the input (Ctrl-D).
    pub(super) fn ask(&self, question: &str) -> io::Result<String> {
        let mut terminal = &self.0;
        write!(terminal, "{} ", plain(question))?;
        terminal.flush()?;
        let mut answer = String::new();
        if BufReader::new(terminal).read_line(&mut answer)? == 0 {
            writeln!(terminal)?; // the cursor is still after the question
        }
        Ok(answer.trim().to_owned())
    }

    /// Asks for something that must not be shown.
    pub(super) fn ask_secretly(&self, question: &str) -> io::Result<String> {
        let shown = tcgetattr(&self.0)?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&self.0, OptionalActions::Now, &hidden)?;
        let answer = self.ask(question);
        tcsetattr(&self.0, OptionalActions::Now, &shown)?;
        writeln!(&self.0)?; // the line end was not echoed
        answer
    }

    /// Asks a yes-or-no question; `usually` is the answer if only Enter is pressed.
    pub(super) fn ask_whether(&self, question: &str, usually: bool) -> io::Result<bool> {
        let answer = self.ask(&format!("{question} [{}]", if usually { "Y/n" } else { "y/N" }))?;
        Ok(if answer.is_empty() { usually } else { is_yes(&answer) })
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y", "Y\n", " yes \r\n"].iter().all(|answer| is_yes(answer)));
        assert!(["", "\n", "n", "yep", "ja"].iter().all(|answer| !is_yes(answer)));
    }
}
