//! Questions before what cannot be undone. Off a terminal nobody is asked.

use std::io::{self, BufRead, IsTerminal, Write};

use super::Failure;

/// Asks on a terminal; `yes` answers beforehand.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{question} [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::Failed(format!("can't read the answer: {error}")))?;
    if is_yes(&answer) { Ok(()) } else { Err(Failure::Failed("nothing was done".to_owned())) }
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
