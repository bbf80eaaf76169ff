//! Reading telephone numbers as people write them, and only where it is plain which number is meant: a message to the
//! wrong person cannot be called back, a refused text can be written again.

mod characters;
mod numbering;
mod reader;
mod refused;
mod tally;
mod written;

pub use characters::{is_blank, is_invisible, named, quoted, visible};
pub use reader::{How, NumberReader, Read};
pub use refused::{Doubt, NumberError};
pub use tally::{Tally, countries};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
