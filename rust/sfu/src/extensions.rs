//! Header extensions of RTP packets that nobody has authenticated yet: they are not encrypted. Pure.

/// Forms of header extensions (RFC 8285 section 4.1.2 and 4.1.3; the low bits of the second are free).
const ONE_BYTE: u16 = 0xbede;
const TWO_BYTES: u16 = 0x1000;
const TWO_BYTES_MASK: u16 = 0xfff0;

/// Bytes of an RTP header before its list of sources (RFC 3550 section 5.1).
pub const FIXED_HEADER: usize = 12;

/// The value of the header extension of an RTP packet that has one of these ids.
pub fn extension<'a>(packet: &'a [u8], ids: &[u8]) -> Option<&'a [u8]> {
    let (has_extension, sources) = (packet.first()? & 0x10 != 0, packet.first()? & 0x0f);
    if !has_extension {
        return None;
    }
    let at = FIXED_HEADER + 4 * usize::from(sources);
    let number = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    let (form, words) = (number(at)?, usize::from(number(at + 2)?));
    let rest = packet.get(at + 4..at + 4 + 4 * words)?;
    match form {
        ONE_BYTE => element(rest, ids, 1),
        form if form & TWO_BYTES_MASK == TWO_BYTES => element(rest, ids, 2),
        _ => None,
    }
}

/// The value of the last extension element with one of these ids, whose headers are of so many bytes.
fn element<'a>(mut rest: &'a [u8], ids: &[u8], header: usize) -> Option<&'a [u8]> {
    let mut found = None;
    while let Some((first, others)) = rest.split_first() {
        if *first == 0 {
            rest = others;
            continue;
        }
        let (id, length) = match header {
            1 => (first >> 4, usize::from(first & 0x0f) + 1),
            _ => (*first, usize::from(*others.first()?)),
        };
        let Some(value) = rest.get(header..header + length) else {
            break;
        };
        if ids.contains(&id) {
            found = Some(value);
        }
        rest = &rest[header + length..];
    }
    found
}
