//! Offers: what is asked of them, and sessions built from them. Runs on the caller's thread: parsing costs 64 us per
//! m-line and building a session a millisecond, which no packet should wait for.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::format::{Codec, PayloadParams};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::TcpType;
use str0m::rtp::{Extension, Ssrc};
use str0m::{Candidate, Rtc};

use crate::error::SfuError;
use crate::peer::RTX_CACHE_PACKETS;
use crate::stats;

/// Longest offer that is looked at.
pub const MAX_OFFER_BYTES: usize = 256 * 1024;

/// Most m-lines in an offer: own tracks and slots of both kinds for well over a hundred others.
pub const MAX_MEDIA_LINES: usize = 256;

/// Most own tracks of a user: camera, screen, microphone and one to spare.
pub const MAX_TRACKS: usize = 4;

/// Most simulcast layers of a track.
pub const MAX_LAYERS: usize = 3;

/// Packets of audio kept for resending, if a client should negotiate that.
const AUDIO_CACHE_PACKETS: usize = 50;

/// H264 profiles taken, with packetization-mode 1: baseline, constrained baseline, main, high; level 3.1.
const H264_PROFILES: [(u8, u8, u32); 4] = [
    (127, 121, 0x42001f),
    (108, 109, 0x42e01f),
    (123, 119, 0x4d001f),
    (114, 115, 0x64001f),
];

/// An offer that was found acceptable.
#[derive(Debug)]
pub struct Offer {
    sdp: SdpOffer,
    fingerprint: String,
}

/// One m-line after negotiation.
#[derive(Clone, Debug)]
pub struct Line {
    pub mid: Mid,
    pub kind: MediaKind,
    /// The client sends on it: an own track.
    pub publishes: bool,
    /// What it can carry in either direction.
    pub codecs: Vec<PayloadParams>,
    /// The stream that we send on it: a slot.
    pub ssrc: Option<Ssrc>,
}

impl Offer {
    /// Parse and check. Raises `SdpInvalid` with what is missing.
    pub fn parse(text: &str) -> Result<Self, SfuError> {
        if text.len() > MAX_OFFER_BYTES {
            return Err(SfuError::SdpInvalid("the offer is too long"));
        }
        let fingerprint = check(text)?;
        let sdp = catch_unwind(|| SdpOffer::from_sdp_string(text))
            .ok()
            .and_then(Result::ok)
            .ok_or(SfuError::SdpInvalid("the offer cannot be parsed"))?;
        Ok(Self { sdp, fingerprint })
    }

    /// Identifies the client's session: an offer with another one comes from a new PeerConnection.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Negotiate the offer on a new session, which is of no use if that fails. Returns the answer.
    pub fn accept(self, rtc: &mut Rtc) -> Result<String, SfuError> {
        catch_unwind(AssertUnwindSafe(|| self.accept_again(rtc)))
            .unwrap_or(Err(SfuError::SdpInvalid("the offer cannot be accepted")))
    }

    /// Negotiate the offer on a running session. May panic in the midst of it, with which the session is broken: call it
    /// within [`crate::peer::Peer::with`].
    pub fn accept_again(self, rtc: &mut Rtc) -> Result<String, SfuError> {
        rtc.sdp_api()
            .accept_offer(self.sdp)
            .map(|answer| spread_candidates(&answer.to_sdp_string()))
            .map_err(|_| SfuError::SdpInvalid("the offer cannot be accepted"))
    }
}

/// Repeat the candidates in every m-line, and say that there are no more (RFC 8840).
///
/// Bundled m-lines need none of their own, but aiortc looks for them in the last of a bundle, and waits for the end.
/// It knows no TCP.
fn spread_candidates(answer: &str) -> String {
    let is_candidate = |line: &&str| line.starts_with("a=candidate:");
    let candidates: Vec<&str> = answer
        .lines()
        .map(str::trim_end)
        .filter(is_candidate)
        .collect();
    let everywhere = candidates.iter().filter(|line| !line.contains(" tcp "));
    let mut lines = Vec::new();
    let mut is_first = true;
    for line in answer
        .lines()
        .map(str::trim_end)
        .filter(|line| !is_candidate(line))
    {
        lines.push(line);
        if line.starts_with("c=") {
            if std::mem::take(&mut is_first) {
                lines.extend(&candidates);
            } else {
                lines.extend(everywhere.clone());
            }
            lines.push("a=end-of-candidates");
        }
    }
    lines.push("");
    lines.join("\r\n")
}

/// Check what str0m does not ask for. Returns the fingerprint.
fn check(text: &str) -> Result<String, SfuError> {
    let mut media_lines = 0;
    let mut muxed = 0;
    let mut rids = 0;
    let mut tracks = 0;
    let mut fingerprint = None;
    let (mut ufrag, mut bundle, mut mid_extension) = (false, false, false);
    for line in text.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            if !line.starts_with("m=audio ") && !line.starts_with("m=video ") {
                return Err(SfuError::SdpInvalid("only audio and video are taken"));
            }
            media_lines += 1;
            rids = 0;
        } else if let Some(value) = line.strip_prefix("a=fingerprint:") {
            fingerprint.get_or_insert_with(|| value.to_ascii_uppercase());
        } else if line == "a=rtcp-mux" {
            muxed += 1;
        } else if line == "a=sendonly" || line == "a=sendrecv" {
            tracks += 1;
        } else if line.starts_with("a=rid:") && line.ends_with(" send") {
            rids += 1;
        } else {
            ufrag |= line.starts_with("a=ice-ufrag:");
            bundle |= line.starts_with("a=group:BUNDLE ");
            mid_extension |= line.starts_with("a=extmap:")
                && line.contains("urn:ietf:params:rtp-hdrext:sdes:mid");
        }
        if rids > MAX_LAYERS {
            return Err(SfuError::SdpInvalid("too many simulcast layers"));
        }
    }
    let complaint = match () {
        () if media_lines == 0 => "there is no media",
        () if media_lines > MAX_MEDIA_LINES => "too many m-lines",
        () if tracks > MAX_TRACKS => "too many own tracks",
        () if !ufrag => "ICE is missing",
        () if !bundle => "BUNDLE is required",
        () if muxed < media_lines => "rtcp-mux is required",
        () if !mid_extension => "the sdes:mid header extension is required",
        () => return fingerprint.ok_or(SfuError::SdpInvalid("the DTLS fingerprint is missing")),
    };
    Err(SfuError::SdpInvalid(complaint))
}

/// A session for a new PeerConnection: ICE-lite, RTP mode, our codecs, host candidates for UDP and for TCP.
pub fn build_session(
    now: Instant,
    certificate: DtlsCert,
    candidates: &[SocketAddr],
) -> Result<Rtc, SfuError> {
    let mut config = Rtc::builder()
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_stats_interval(Some(stats::EVERY))
        // The numbers of what is sent, and the reports on it: there is no other way to see them.
        .enable_raw_packets(true)
        .set_dtls_cert(certificate)
        .clear_codecs()
        .enable_opus(true, true)
        .enable_vp8(true)
        .set_send_buffer_audio(AUDIO_CACHE_PACKETS)
        .set_send_buffer_video(RTX_CACHE_PACKETS);
    for (pt, resend, profile) in H264_PROFILES {
        config
            .codec_config()
            .add_h264(pt.into(), Some(resend.into()), true, profile);
    }
    let mut rtc = catch_unwind(|| config.build(now))
        .map_err(|_| SfuError::Overloaded("a session could not be built"))?;
    for address in candidates {
        let over_udp = Candidate::builder().udp().host(*address).build();
        let over_tcp = Candidate::builder()
            .tcp()
            .host(*address)
            .tcptype(TcpType::Passive)
            .build();
        for candidate in [over_udp, over_tcp] {
            let candidate =
                candidate.map_err(|_| SfuError::Unavailable("the public IP is unusable"))?;
            rtc.add_local_candidate(candidate);
        }
    }
    Ok(rtc)
}

/// The ids that a header extension has in a session: one, if the client means well.
pub fn extension_ids(rtc: &Rtc, mids: &[Mid], extension: Extension) -> Vec<u8> {
    let medias = mids.iter().filter_map(|mid| rtc.media(*mid));
    let mut ids: Vec<_> = medias
        .filter_map(|media| media.remote_extmap().id_of(extension.clone()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The m-lines `mids` of a session as they stand after negotiation, in that order.
pub fn lines(rtc: &mut Rtc, mids: &[Mid]) -> Vec<Line> {
    mids.iter().filter_map(|mid| line(rtc, *mid)).collect()
}

fn line(rtc: &mut Rtc, mid: Mid) -> Option<Line> {
    let media = rtc.media(mid)?;
    if media.disabled() || media.direction() == Direction::Inactive {
        return None;
    }
    let kind = media.kind();
    let publishes = media.direction().is_receiving();
    let receives = media.direction().is_sending();
    let accepted: Vec<Pt> = media.remote_pts().to_vec();
    let is_ours = |codec: Codec| codec.is_audio() == kind.is_audio();
    let codecs = rtc
        .codec_config()
        .params()
        .iter()
        .filter(|params| accepted.contains(&params.pt()) && is_ours(params.spec().codec))
        .copied()
        .collect();
    let ssrc = rtc
        .direct_api()
        .stream_tx_by_mid(mid, None)
        .map(|stream| stream.ssrc())
        .filter(|_| receives);
    Some(Line {
        mid,
        kind,
        publishes,
        codecs,
        ssrc,
    })
}

/// The mids of an offer or answer, in order.
pub fn mids(sdp: &str) -> Vec<Mid> {
    sdp.lines()
        .filter_map(|line| line.trim_end().strip_prefix("a=mid:"))
        .map(Mid::from)
        .collect()
}
