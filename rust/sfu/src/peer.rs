//! The one choke point around str0m: mutate, then drain until it wants to wait. Nothing else touches an `Rtc`.
//!
//! str0m keeps a single received packet and writes nothing until time moves, so a caller that forgets to drain loses
//! packets. And a bug in it must not take down the room: every entry is a panic boundary, and a peer that panicked is
//! never touched again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use str0m::format::PayloadParams;
use str0m::media::{KeyframeRequestKind, MediaKind, Mid, Pt, Rid};
use str0m::net::Transmit;
use str0m::rtp::rtcp::{Rtcp, Twcc};
use str0m::rtp::{Extension, RawPacket, RtpPacket, RtpWrite, Ssrc};
use str0m::{Event, IceConnectionState, Input, Output, Rtc, RtcError};

use crate::stats::Counted;

/// Outputs of one drain. Far above what a packet can cause; a peer that goes on for longer is broken.
const MAX_OUTPUTS_PER_DRAIN: usize = 10_000;

/// Errors in a row that a peer may return before it is given up: bad input of a stranger must not end it at once.
const MAX_ERRORS: u32 = 100;

/// Packets kept for resending, per stream, and for how long (media.md: the cache is most of a peer's memory).
/// On a long and lossy way a packet is asked for several times.
pub const RTX_CACHE_PACKETS: usize = 800;
const RTX_CACHE_AGE: Duration = Duration::from_millis(2_500);
/// Resends stop when they are so much of what is sent. Congestion control bounds the sum; a link that loses a fifth of
/// everything needs a quarter.
const RTX_RATIO_CAP: Option<f32> = Some(0.4);

/// Bytes that SRTP adds to a packet (AES-GCM's tag).
const SRTP_TAG: usize = 16;

/// Padding leaves on a line of its own that the other side was never told of, under the number that no stream has. What
/// comes there is counted by receivers before they find that nobody wants it; on a slot's line it could be taken for media.
const PADDING_LINE: &str = "padding";
const PADDING_STREAM: u32 = 0;

/// Contributing sources named in a padding packet. They are what makes it long: str0m sets no padding bit, and a payload
/// would be taken for media.
const PADDING_SOURCES: [u32; 15] = [0; 15];

/// The length of a padding packet as a datagram: its header with extensions, and the tag.
pub const PADDING_BYTES: usize = 12 + 4 * PADDING_SOURCES.len() + 20 + SRTP_TAG;

/// The peer is beyond use: closed, or it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A packet that leaves, as congestion control sees it.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    /// The low half of its transport-wide number.
    pub number: u16,
    /// Its length as a datagram.
    pub bytes: usize,
    pub is_padding: bool,
}

/// What draining a peer brought to light. Reused between drains.
#[derive(Debug, Default)]
pub struct Drained {
    pub transmits: Vec<Transmit>,
    pub packets: Vec<RtpPacket>,
    pub keyframes_wanted: Vec<Mid>,
    pub counted: Vec<Counted>,
    /// The packets in `transmits` that have a transport-wide number.
    pub numbered: Vec<Numbered>,
    /// What the other side reports of packets with such numbers.
    pub reports: Vec<Twcc>,
    pub connected: bool,
    pub disconnected: bool,
}

impl Drained {
    pub fn clear(&mut self) {
        self.transmits.clear();
        self.packets.clear();
        self.keyframes_wanted.clear();
        self.counted.clear();
        self.numbered.clear();
        self.reports.clear();
        self.connected = false;
        self.disconnected = false;
    }
}

/// A subscriber's or publisher's WebRTC session.
pub struct Peer {
    rtc: Rtc,
    errors: u32,
    panicked: bool,
    /// When the session wants to be driven next.
    deadline: Instant,
    /// The payload type of padding, if it can be sent.
    padding: Option<Pt>,
    /// Never goes back, so that no number of the stream is used twice.
    next_padding: u64,
}

impl Peer {
    pub fn new(rtc: Rtc, now: Instant) -> Self {
        Self {
            rtc,
            errors: 0,
            panicked: false,
            deadline: now,
            padding: None,
            next_padding: 1,
        }
    }

    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Give the session what came from the network, then drain it.
    pub fn receive(&mut self, input: Input<'_>, drained: &mut Drained) -> Result<(), Gone> {
        self.enter(|peer| {
            let result = peer.rtc.handle_input(input);
            peer.count(result);
            peer.drain(drained);
        })
    }

    /// Let time move, then drain: also what makes str0m send what was written before.
    pub fn elapse(&mut self, now: Instant, drained: &mut Drained) -> Result<(), Gone> {
        self.receive(Input::Timeout(now), drained)
    }

    /// Queue a packet on an outgoing stream: it leaves with the next [`Peer::elapse`].
    pub fn write(&mut self, stream: Ssrc, packet: RtpWrite) -> Result<(), Gone> {
        self.enter(|peer| {
            if let Some(stream) = peer.rtc.direct_api().stream_tx(&stream) {
                stream.write_rtp(packet);
            }
        })
    }

    /// Ask the other side for a keyframe: it leaves with the next [`Peer::elapse`].
    pub fn request_keyframe(&mut self, mid: Mid, rid: Option<Rid>) -> Result<(), Gone> {
        self.enter(|peer| {
            if let Some(stream) = peer.rtc.direct_api().stream_rx_by_mid(mid, rid) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        })
    }

    /// Forget everything sent on a stream, so that none of it can be asked for again. Sets the bounds of what is remembered.
    pub fn reset_stream(&mut self, stream: Ssrc) -> Result<(), Gone> {
        self.enter(|peer| {
            if let Some(stream) = peer.rtc.direct_api().stream_tx(&stream) {
                stream.set_rtx_cache(RTX_CACHE_PACKETS, RTX_CACHE_AGE, RTX_RATIO_CAP);
            }
        })
    }

    /// The rid of an incoming stream: str0m tells it per packet only until the sender stops repeating it.
    pub fn rid_of(&mut self, stream: Ssrc) -> Option<Rid> {
        self.enter(|peer| {
            peer.rtc
                .direct_api()
                .stream_rx(&stream)
                .and_then(|stream| stream.rid())
        })
        .ok()
        .flatten()
    }

    /// Do something rare to the session: negotiate, look up.
    pub fn with<R>(&mut self, act: impl FnOnce(&mut Rtc) -> R) -> Result<R, Gone> {
        self.enter(|peer| act(&mut peer.rtc))
    }

    /// Negotiate. The line of padding is away meanwhile: it is nothing that an answer should tell of.
    pub fn negotiate<R>(&mut self, act: impl FnOnce(&mut Rtc) -> R) -> Result<R, Gone> {
        self.enter(|peer| {
            if peer.padding.take().is_some() {
                peer.rtc.direct_api().remove_media(PADDING_LINE.into());
            }
            act(&mut peer.rtc)
        })
    }

    /// Make room for padding, if the other side reports on what is sent to one of the slots `lines`.
    pub fn make_padding(&mut self, lines: &[(Mid, Vec<PayloadParams>)]) -> Result<(), Gone> {
        self.enter(|peer| {
            if peer.padding.is_some() {
                return;
            }
            let number = |rtc: &Rtc, mid: Mid| {
                let extensions = rtc.media(mid)?.remote_extmap();
                extensions.id_of(Extension::TransportSequenceNumber)
            };
            let choice = lines.iter().find_map(|(mid, codecs)| {
                let codec = codecs.iter().find(|codec| codec.fb_transport_cc())?;
                Some((number(&peer.rtc, *mid)?, codec.pt()))
            });
            let Some((id, pt)) = choice else { return };
            let line = Mid::from(PADDING_LINE);
            let mut api = peer.rtc.direct_api();
            api.declare_media(line, MediaKind::Video);
            api.declare_stream_tx(PADDING_STREAM.into(), None, line, None);
            if number(&peer.rtc, line) == Some(id) {
                peer.padding = Some(pt);
            } else {
                peer.rtc.direct_api().remove_media(line);
            }
        })
    }

    /// Whether the other side reports on packets: it was agreed on for one slot at least.
    pub fn is_reported(&self) -> bool {
        self.padding.is_some()
    }

    /// Queue packets of padding: they leave with the next [`Peer::elapse`]. Returns how many were queued.
    pub fn pad(&mut self, now: Instant, packets: usize) -> Result<usize, Gone> {
        self.enter(|peer| {
            let Some(pt) = peer.padding else {
                return 0;
            };
            let mut api = peer.rtc.direct_api();
            let Some(stream) = api.stream_tx(&PADDING_STREAM.into()) else {
                return 0;
            };
            for _ in 0..packets {
                let number = peer.next_padding;
                peer.next_padding += 1;
                let packet = RtpWrite::new(pt, number.into(), 0, now, Vec::new());
                stream.write_rtp(packet.csrc(&PADDING_SOURCES));
            }
            packets
        })
    }

    /// Whether the input is addressed to this session (credentials or address match).
    pub fn accepts(&mut self, input: &Input<'_>) -> bool {
        self.enter(|peer| peer.rtc.accepts(input)).unwrap_or(false)
    }

    /// Codec parameters that belong to an incoming payload type.
    pub fn payload_params(&self, packet: &RtpPacket) -> Option<PayloadParams> {
        let wanted = packet.header.payload_type;
        self.rtc
            .codec_config()
            .params()
            .iter()
            .find(|params| params.pt() == wanted)
            .copied()
    }

    /// Let go of the session. After a panic in it even that might panic.
    pub fn dispose(self) {
        // There is nothing left to do for a session that cannot be dropped cleanly.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(self)));
    }

    fn enter<R>(&mut self, act: impl FnOnce(&mut Self) -> R) -> Result<R, Gone> {
        if self.panicked {
            return Err(Gone);
        }
        match catch_unwind(AssertUnwindSafe(|| act(self))) {
            Ok(value) if self.errors <= MAX_ERRORS && self.rtc.is_alive() => Ok(value),
            Ok(_) => Err(Gone),
            Err(_) => {
                self.panicked = true;
                Err(Gone)
            }
        }
    }

    fn count(&mut self, result: Result<(), RtcError>) {
        match result {
            Ok(()) => self.errors = 0,
            Err(_) => self.errors += 1,
        }
    }

    fn drain(&mut self, drained: &mut Drained) {
        for _ in 0..MAX_OUTPUTS_PER_DRAIN {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(deadline)) => {
                    self.deadline = deadline;
                    return;
                }
                Ok(Output::Transmit(transmit)) => drained.transmits.push(transmit),
                Ok(Output::Event(event)) => sort_event(event, drained),
                Err(_) => self.errors += 1,
            }
            if self.errors > MAX_ERRORS {
                return;
            }
        }
        self.errors = MAX_ERRORS + 1;
    }
}

fn sort_event(event: Event, drained: &mut Drained) {
    match event {
        Event::RtpPacket(packet) => drained.packets.push(packet),
        Event::KeyframeRequest(request) => drained.keyframes_wanted.push(request.mid),
        Event::PeerStats(stats) => drained.counted.push(Counted::Session(stats)),
        Event::MediaEgressStats(stats) => drained.counted.push(Counted::Sent(stats)),
        Event::MediaIngressStats(stats) => drained.counted.push(Counted::Came(stats)),
        Event::RawPacket(packet) => match *packet {
            RawPacket::RtpTx(header, bytes) => {
                if let Some(number) = header.ext_vals.transport_cc {
                    drained.numbered.push(Numbered {
                        number,
                        bytes: bytes.len() + SRTP_TAG,
                        is_padding: *header.ssrc == PADDING_STREAM,
                    });
                }
            }
            RawPacket::RtcpRx(Rtcp::Twcc(report)) => drained.reports.push(report),
            _ => {}
        },
        Event::Connected => drained.connected = true,
        Event::IceConnectionStateChange(IceConnectionState::Disconnected) | Event::Closed => {
            drained.disconnected = true;
        }
        _ => {}
    }
}
