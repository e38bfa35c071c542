//! Opus in Ogg (RFC 3533, RFC 7845): pages are checked, packets put together, durations read from the packets.

use super::{Clip, Coding, Frame, MediaError};

const PAGE_HEADER_BYTES: usize = 27;
const CONTINUED: u8 = 1;
/// Longest Opus packet that may go into one RTP packet here.
const MAX_PACKET_BYTES: usize = 1_200;
/// Identification and comment header.
const HEADER_PACKETS: usize = 2;

/// Reads a whole Ogg file with one Opus stream.
///
/// # Errors
/// `Malformed` for broken pages (checksums are verified) and packets, `Unsupported` if it is not Opus or its packets
/// are too large for the network.
pub fn read(bytes: &[u8]) -> Result<Clip, MediaError> {
    let packets = packets(bytes)?;
    match packets.as_slice() {
        [head, tags, ..] if head.starts_with(b"OpusHead") && tags.starts_with(b"OpusTags") => {}
        _ => return Err(MediaError::Unsupported("it is not an Opus stream")),
    }
    let mut frames = Vec::with_capacity(packets.len());
    let mut at_us = 0;
    for packet in packets.into_iter().skip(HEADER_PACKETS) {
        if packet.len() > MAX_PACKET_BYTES {
            return Err(MediaError::Unsupported(
                "a packet of sound is larger than a datagram",
            ));
        }
        let length_us =
            packet_us(&packet).ok_or(MediaError::Unsupported("a packet of sound is malformed"))?;
        frames.push(Frame {
            at_us,
            keyframe: true,
            data: packet.into(),
        });
        at_us += length_us;
    }
    Clip::checked(Coding::Opus, frames, at_us)
}

/// How long a packet of Opus lasts, in microseconds (RFC 6716, section 3.1).
fn packet_us(packet: &[u8]) -> Option<u64> {
    const MAX_US: u64 = 120_000;
    let toc = *packet.first()?;
    let frame_us = match toc >> 3 {
        config @ 0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(config % 4)],
        config @ 12..=15 => [10_000, 20_000][usize::from(config % 2)],
        config => [2_500, 5_000, 10_000, 20_000][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    Some(frame_us * frames).filter(|us| (1..=MAX_US).contains(us))
}

/// Puts the packets of the first stream together from its pages; other streams are passed over.
fn packets(bytes: &[u8]) -> Result<Vec<Vec<u8>>, MediaError> {
    let mut packets = Vec::new();
    let mut unfinished: Option<Vec<u8>> = None;
    let mut stream = None;
    let mut at = 0;
    while at < bytes.len() {
        let page = Page::read(bytes, at)?;
        at = page.end;
        if *stream.get_or_insert(page.serial) != page.serial {
            continue;
        }
        if page.continued != unfinished.is_some() {
            return Err(MediaError::Malformed {
                at,
                what: "a packet is not continued where it should be",
            });
        }
        let mut from = 0;
        for &lacing in page.lacing {
            let part = &page.body[from..from + usize::from(lacing)];
            from += usize::from(lacing);
            unfinished.get_or_insert_default().extend(part);
            if lacing < 255 {
                packets.extend(unfinished.take());
            }
        }
    }
    if unfinished.is_some() {
        return Err(MediaError::Malformed {
            at,
            what: "the last packet is cut short",
        });
    }
    Ok(packets)
}

struct Page<'a> {
    serial: u32,
    continued: bool,
    lacing: &'a [u8],
    body: &'a [u8],
    end: usize,
}

impl<'a> Page<'a> {
    fn read(bytes: &'a [u8], at: usize) -> Result<Self, MediaError> {
        let malformed = |what| MediaError::Malformed { at, what };
        let cut_short = || malformed("a page is cut short");
        let page = &bytes[at..];
        let header = page.get(..PAGE_HEADER_BYTES).ok_or_else(cut_short)?;
        if &header[..4] != b"OggS" || header[4] != 0 {
            return Err(malformed("no page begins here"));
        }
        let body_begin = PAGE_HEADER_BYTES + usize::from(header[26]);
        let lacing = page
            .get(PAGE_HEADER_BYTES..body_begin)
            .ok_or_else(cut_short)?;
        let length: usize = lacing.iter().map(|&lace| usize::from(lace)).sum();
        let body = page
            .get(body_begin..body_begin + length)
            .ok_or_else(cut_short)?;
        let checksum = u32::from_le_bytes([header[22], header[23], header[24], header[25]]);
        if checksum != page_checksum(&page[..body_begin + length]) {
            return Err(malformed("a page's checksum is wrong"));
        }
        Ok(Self {
            serial: u32::from_le_bytes([header[14], header[15], header[16], header[17]]),
            continued: header[5] & CONTINUED != 0,
            lacing,
            body,
            end: at + body_begin + length,
        })
    }
}

/// CRC of a page with its own checksum field taken as zero (RFC 3533, section 6).
fn page_checksum(page: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x04c1_1db7;
    const FIELD: std::ops::Range<usize> = 22..26;
    page.iter().enumerate().fold(0, |crc, (at, &byte)| {
        let byte = if FIELD.contains(&at) { 0 } else { byte };
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ POLYNOMIAL
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(flags: u8, lacing: &[u8], body: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend([0; 8]); // granule position
        page.extend(7_u32.to_le_bytes());
        page.extend([0; 8]); // sequence, checksum
        page.push(u8::try_from(lacing.len()).unwrap());
        page.extend(lacing);
        page.extend(body);
        let checksum = page_checksum(&page);
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        page
    }

    /// 20 ms of sound in one frame.
    const TOC_20_MS: u8 = 31 << 3;

    fn headers() -> Vec<u8> {
        [page(2, &[8], b"OpusHead"), page(0, &[8], b"OpusTags")].concat()
    }

    #[test]
    fn packets_of_a_page_follow_each_other_by_their_durations() {
        let sound = page(0, &[2, 3, 2], &[TOC_20_MS, 1, 30 << 3, 2, 2, TOC_20_MS, 3]);
        let clip = read(&[headers(), sound].concat()).unwrap();
        let times: Vec<u64> = clip.frames.iter().map(|frame| frame.at_us).collect();
        assert_eq!(times, [0, 20_000, 30_000]);
        assert_eq!(clip.duration_us, 50_000);
        assert_eq!(&*clip.frames[1].data, [30 << 3, 2, 2]);
    }

    #[test]
    fn a_packet_may_go_on_in_the_next_page() {
        let mut packet = vec![TOC_20_MS];
        packet.resize(300, 5);
        let sound = [
            page(0, &[255], &packet[..255]),
            page(1, &[45], &packet[255..]),
        ]
        .concat();
        let clip = read(&[headers(), sound].concat()).unwrap();
        assert_eq!(&*clip.frames[0].data, packet);
    }

    #[test]
    fn damage_is_an_error() {
        let whole = [headers(), page(0, &[2], &[TOC_20_MS, 1])].concat();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
        assert!(read(&whole[..whole.len() - 1]).is_err());
        assert!(read(&headers()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(&bytes);
            let _ = read(&page(0, &[100], &bytes));
        }
    }
}
