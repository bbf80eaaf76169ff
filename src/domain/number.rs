//! Reading phone numbers as people write them, but only if it is clear which number is meant: a message to the wrong
//! person cannot be called back, while a refused text can be corrected.

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
