//! Compressed bodies.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// `gzip`.
    Gzip,
    /// `deflate`: with the zlib header, as it should be, or without it, as some clients send it.
    Deflate,
}

/// The result of decompressing a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// The complete body.
    Whole(Vec<u8>),
    /// It is larger than allowed; decompression stopped at the limit.
    TooLarge,
    /// It is not compressed in this way, or it is incomplete.
    Broken,
}

impl Packing {
    /// Decompresses a body to at most `most` bytes.
    pub fn unpack(self, body: &[u8], most: u64) -> Unpacked {
        match self {
            Self::Gzip => whole(|| MultiGzDecoder::new(body), most),
            Self::Deflate => match whole(|| ZlibDecoder::new(body), most) {
                Unpacked::Broken => whole(|| DeflateDecoder::new(body), most),
                unpacked => unpacked,
            },
        }
    }

    /// The compression that binary data seems to have. An earlier version, which could not decompress it, may have
    /// stored it.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        match body {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// Reads once to learn the length, and again to keep it: what is too large takes no memory, and what is kept no more than it
/// needs.
fn whole<R: Read>(decoder: impl Fn() -> R, most: u64) -> Unpacked {
    let length = match io::copy(&mut decoder().take(most.saturating_add(1)), &mut io::sink()) {
        Ok(length) if length > most => return Unpacked::TooLarge,
        Ok(length) => usize::try_from(length).unwrap_or(0),
        Err(_) => return Unpacked::Broken,
    };
    let mut body = vec![0; length];
    decoder().read_exact(&mut body).map_or(Unpacked::Broken, |()| Unpacked::Whole(body))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn packed(text: &[u8]) -> [(Packing, Vec<u8>); 3] {
        let (mut gzip, mut zlib, mut raw) = (
            GzEncoder::new(Vec::new(), Compression::best()),
            ZlibEncoder::new(Vec::new(), Compression::best()),
            DeflateEncoder::new(Vec::new(), Compression::best()),
        );
        gzip.write_all(text).and(zlib.write_all(text)).and(raw.write_all(text)).expect("written");
        let finished = "finished";
        [
            (Packing::Gzip, gzip.finish().expect(finished)),
            (Packing::Deflate, zlib.finish().expect(finished)),
            (Packing::Deflate, raw.finish().expect(finished)),
        ]
    }

    #[test]
    fn what_was_packed_is_unpacked_within_its_bound_and_what_is_cut_short_is_not() {
        let text = [b'x'; 10_000];
        for (packing, body) in packed(&text) {
            assert_eq!(packing.unpack(&body, 10_000), Unpacked::Whole(text.to_vec()));
            assert_eq!(packing.unpack(&body, 9_999), Unpacked::TooLarge);
            assert_eq!(packing.unpack(&body[..body.len() - 1], 10_000), Unpacked::Broken);
            assert_eq!(packing.unpack(b"{\"destination\"", 10_000), Unpacked::Broken);
        }
    }

    #[test]
    fn a_bomb_is_unpacked_no_further_than_its_bound() {
        for (packing, body) in packed(&vec![0; 64 << 20]) {
            assert!(body.len() < 100_000);
            assert_eq!(packing.unpack(&body, 256 << 10), Unpacked::TooLarge);
        }
    }

    #[test]
    fn what_an_older_version_kept_packed_is_known_by_its_first_bytes() {
        let [gzip, zlib, raw] = packed(b"{}");
        assert_eq!(Packing::of(&gzip.1), Some(Packing::Gzip));
        assert_eq!(Packing::of(&zlib.1), Some(Packing::Deflate));
        assert_eq!((Packing::of(&raw.1), Packing::of(b"{}"), Packing::of(b"x")), (None, None, None));
    }
}
