//! A server of one seat, for tests: it answers offers as the real one does (ICE-lite, slots answered sendonly) and sends
//! what the peer publishes back to it on its first slots, as if it came from the user `echo`.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use str0m::change::SdpOffer;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message, WebSocket};

/// What a test asks of the server.
#[derive(Debug)]
pub enum Ask {
    /// Send this message.
    Say(Value),
    /// Ask for a keyframe of everything that is published.
    Keyframes,
    /// Lose every n-th packet of video that is sent to the peer; 0 loses none.
    LoseEvery(u64),
    /// Close the signaling connection with this code.
    Close(u16),
}

/// The server: where it is, what it heard, and how to ask it for things. It ends with the test.
pub struct Answerer {
    pub url: String,
    pub heard: Receiver<Value>,
    asks: Sender<Ask>,
}

impl Answerer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let (asks, asked) = channel();
        let (hears, heard) = channel();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let signaling = tungstenite::accept(stream).unwrap();
            signaling.get_ref().set_nonblocking(true).unwrap();
            Seat::new(signaling, hears).serve(&asked);
        });
        Self { url, heard, asks }
    }

    pub fn ask(&self, ask: Ask) {
        self.asks.send(ask).unwrap();
    }
}

struct Seat {
    signaling: WebSocket<TcpStream>,
    hears: Sender<Value>,
    socket: UdpSocket,
    rtc: Option<Rtc>,
    fingerprint: Option<String>,
    /// Published by the peer: where it comes from and the slot where it goes back, by kind.
    tracks: Vec<(Mid, Mid)>,
    /// Payload type of the published video.
    video: Option<Pt>,
    lose_every: u64,
    videos_sent: u64,
}

impl Seat {
    fn new(signaling: WebSocket<TcpStream>, hears: Sender<Value>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        Self {
            signaling,
            hears,
            socket,
            rtc: None,
            fingerprint: None,
            tracks: Vec::new(),
            video: None,
            lose_every: 0,
            videos_sent: 0,
        }
    }

    fn serve(&mut self, asked: &Receiver<Ask>) {
        let mut buffer = [0; 2_048];
        loop {
            while let Ok(ask) = asked.try_recv() {
                self.obey(ask);
            }
            match self.signaling.read() {
                Ok(Message::Text(text)) => {
                    self.listen(&serde_json::from_str(text.as_str()).unwrap())
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            let received = self.socket.recv_from(&mut buffer).ok();
            let Some(rtc) = &mut self.rtc else { continue };
            if let Some((length, source)) = received
                && let Ok(contents) = buffer[..length].try_into()
            {
                let destination = self.socket.local_addr().unwrap();
                let proto = Protocol::Udp;
                let input = Receive {
                    proto,
                    source,
                    destination,
                    contents,
                };
                rtc.handle_input(Input::Receive(Instant::now(), input))
                    .unwrap();
                self.drain();
            }
            self.tick();
        }
    }

    fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Say(message) => self.say(&message),
            Ask::LoseEvery(every) => self.lose_every = every,
            Ask::Keyframes => {
                let rtc = self.rtc.as_mut().unwrap();
                for (own, _) in &self.tracks {
                    if let Some(stream) = rtc.direct_api().stream_rx_by_mid(*own, None) {
                        stream.request_keyframe(KeyframeRequestKind::Pli);
                    }
                }
                self.tick();
            }
            Ask::Close(code) => {
                let frame = CloseFrame {
                    code: code.into(),
                    reason: "".into(),
                };
                let _ = self.signaling.close(Some(frame));
            }
        }
    }

    fn say(&mut self, message: &Value) {
        self.signaling
            .send(Message::text(message.to_string()))
            .unwrap();
    }

    fn listen(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "JOIN_ROOM" => self.say(&json!({"type": "JOINED", "roomId": message["roomId"],
                "userId": message["userId"], "role": "participant", "participants": [], "iceServers": []})),
            "OFFER" => self.answer(message["sdp"].as_str().unwrap()),
            _ => {}
        }
        let _ = self.hears.send(message.clone());
    }

    fn answer(&mut self, sdp: &str) {
        let offer = SdpOffer::from_sdp_string(sdp).unwrap();
        let fingerprint = sdp
            .lines()
            .find(|line| line.starts_with("a=fingerprint:"))
            .unwrap();
        let same = self.fingerprint.replace(fingerprint.to_owned()).as_deref() == Some(fingerprint);
        // The same certificate: the same connection offers again. Another: a new connection on the same seat.
        let known = self.rtc.take().filter(|_| same);
        let mut rtc = known.unwrap_or_else(|| {
            let mut rtc = Rtc::builder()
                .set_ice_lite(true)
                .set_rtp_mode(true)
                .build(Instant::now());
            let address = self.socket.local_addr().unwrap();
            rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
            rtc
        });
        let answer = rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
        let mids: Vec<Mid> = sdp
            .lines()
            .filter_map(|line| line.strip_prefix("a=mid:").map(Mid::from))
            .collect();
        self.tracks.clear();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let find = |direction| {
                let is_it = |mid: &&Mid| {
                    let media = rtc.media(**mid).unwrap();
                    media.kind() == kind && media.direction() == direction
                };
                mids.iter().find(is_it).copied()
            };
            let own = find(Direction::RecvOnly);
            let slot = find(Direction::SendOnly);
            self.tracks.extend(own.zip(slot));
        }
        let slots: Vec<Value> = self
            .tracks
            .iter()
            .map(|(_, slot)| json!({"mid": slot.to_string(), "kind": "?", "userId": "echo", "source": "?"}))
            .collect();
        self.rtc = Some(rtc);
        self.say(&json!({"type": "ANSWER", "sdp": answer}));
        self.say(&json!({"type": "TRACKS", "slots": slots}));
        self.tick();
    }

    fn tick(&mut self) {
        if let Some(rtc) = &mut self.rtc {
            rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            self.drain();
        }
    }

    fn drain(&mut self) {
        let mut packets = Vec::new();
        let rtc = self.rtc.as_mut().unwrap();
        loop {
            match rtc.poll_output().unwrap() {
                Output::Timeout(_) => break,
                Output::Transmit(transmit) => {
                    let contents = &transmit.contents;
                    let is_video = self
                        .video
                        .is_some_and(|video| contents[0] >= 128 && contents[1] & 0x7f == *video);
                    self.videos_sent += u64::from(is_video);
                    if !(is_video
                        && self.lose_every > 0
                        && self.videos_sent.is_multiple_of(self.lose_every))
                    {
                        self.socket.send_to(contents, transmit.destination).unwrap();
                    }
                }
                Output::Event(Event::RtpPacket(packet)) => packets.push(packet),
                Output::Event(_) => {}
            }
        }
        if !packets.is_empty() {
            for packet in packets {
                self.echo(packet);
            }
            self.tick();
        }
    }
}

impl Seat {
    /// Sends a packet back as it came, with the slot's own SSRC.
    fn echo(&mut self, packet: RtpPacket) {
        let rtc = self.rtc.as_mut().unwrap();
        let mut api = rtc.direct_api();
        let from = api.stream_rx(&packet.header.ssrc).unwrap().mid();
        let Some(&(_, slot)) = self.tracks.iter().find(|(own, _)| *own == from) else {
            return;
        };
        let is_video = api.stream_tx_by_mid(slot, None).unwrap().rtx().is_some();
        if is_video {
            self.video = Some(packet.header.payload_type);
        }
        let write = RtpWrite::new(
            packet.header.payload_type,
            packet.seq_no,
            packet.header.timestamp,
            packet.timestamp,
            packet.payload.clone(),
        )
        .marker(packet.header.marker)
        .nackable(is_video);
        api.stream_tx_by_mid(slot, None).unwrap().write_rtp(write);
    }
}
