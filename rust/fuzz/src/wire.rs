//! Bytes as participants put them on the wire, and offers as browsers write them.

use std::fmt::Write;

use crate::open_crypto::{TAG, fingerprint};

/// ICE user name and password of every client.
pub const UFRAG: &str = "them";
const PASSWORD: &str = "what-nobody-could-guess-at-all";

const AUDIO_PT: u8 = 111;

const EXTENSIONS: &str = "\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r
a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r
";

const AUDIO: &str = "\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r
c=IN IP4 0.0.0.0\r
a=rtpmap:111 opus/48000/2\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=rtcp-fb:111 transport-cc\r
";

const VIDEO: &str = "\
m=video 9 UDP/TLS/RTP/SAVPF 96 97 108 109\r
c=IN IP4 0.0.0.0\r
a=rtpmap:96 VP8/90000\r
a=rtcp-fb:96 transport-cc\r
a=rtcp-fb:96 ccm fir\r
a=rtcp-fb:96 nack\r
a=rtcp-fb:96 nack pli\r
a=rtpmap:97 rtx/90000\r
a=fmtp:97 apt=96\r
a=rtpmap:108 H264/90000\r
a=rtcp-fb:108 transport-cc\r
a=rtcp-fb:108 nack\r
a=rtcp-fb:108 nack pli\r
a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r
a=rtpmap:109 rtx/90000\r
a=fmtp:109 apt=108\r
";

/// One m-line of an offer.
#[derive(Clone, Copy, Debug)]
pub enum Media {
    Microphone,
    Camera,
    /// Three layers.
    SimulcastCamera,
    AudioSlot,
    VideoSlot,
}

/// An offer of these m-lines, with mids from 0.
pub fn offer(media: &[Media]) -> String {
    let mids: Vec<_> = (0..media.len()).map(|mid| mid.to_string()).collect();
    let mut sdp = format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
        mids.join(" ")
    );
    for (mid, media) in media.iter().enumerate() {
        let (kind, direction) = match media {
            Media::Microphone => (AUDIO, "sendonly"),
            Media::Camera | Media::SimulcastCamera => (VIDEO, "sendonly"),
            Media::AudioSlot => (AUDIO, "recvonly"),
            Media::VideoSlot => (VIDEO, "recvonly"),
        };
        let _ = write!(
            sdp,
            "{kind}a=mid:{mid}\r\n{EXTENSIONS}a=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}\r\n\
             a=fingerprint:{}\r\na=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\na={direction}\r\n",
            fingerprint()
        );
        if matches!(media, Media::SimulcastCamera) {
            sdp += "a=rid:h send\r\na=rid:m send\r\na=rid:l send\r\na=simulcast:send h;m;l\r\n";
        }
    }
    sdp
}

/// A check that nominates (RFC 8445 section 7.1), for the session with this user name.
pub fn check(local_ufrag: &str, transaction: u32) -> Vec<u8> {
    const USERNAME: u16 = 0x0006;
    const MESSAGE_INTEGRITY: u16 = 0x0008;
    const PRIORITY: u16 = 0x0024;
    const USE_CANDIDATE: u16 = 0x0025;
    const CONTROLLING: u16 = 0x802a;
    let name = format!("{local_ufrag}:{UFRAG}");
    let attributes: [(u16, &[u8]); 5] = [
        (USERNAME, name.as_bytes()),
        (PRIORITY, &[0x6e, 0, 0x1e, 0xff]),
        (CONTROLLING, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (USE_CANDIDATE, &[]),
        (MESSAGE_INTEGRITY, &[0; 20]),
    ];
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut bytes = vec![0, 1];
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend([0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(transaction.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A packet of Opus on the m-line of this mid (one character).
pub fn audio(ssrc: u32, mid: u8, seq: u16) -> Vec<u8> {
    let mut bytes = vec![0x90, AUDIO_PT];
    bytes.extend(seq.to_be_bytes());
    bytes.extend((u32::from(seq) * 960).to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([0xbe, 0xde, 0, 1, 0x40, mid, 0, 0, 0x78, 0x01, 0x02]);
    bytes
}

/// What SRTP adds to a packet.
pub fn protect_rtp(mut packet: Vec<u8>) -> Vec<u8> {
    packet.extend([0; TAG]);
    packet
}

/// What SRTCP adds to a compound packet: tag, encryption flag and index (RFC 7714 section 9.2).
pub fn protect_rtcp(mut packet: Vec<u8>, index: u32) -> Vec<u8> {
    packet.extend([0; TAG]);
    packet.extend((0x8000_0000 | index).to_be_bytes());
    packet
}
