//! A shard with three people on virtual time: one hostile, and two whom it must not harm, one of whom the other hears.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::panic;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use curtaincall_sfu::command::{Command, Renegotiated, Transport};
use curtaincall_sfu::error::SfuError;
use curtaincall_sfu::event::{Event, What};
use curtaincall_sfu::lease::Terms;
use curtaincall_sfu::sdp::{Offer, build_session, lines, mids};
use curtaincall_sfu::shard::{Gate, Input, Output, Shard};
use curtaincall_sfu::units::{Epoch, GrantSeq, LeaseId, RoomId, UserId};

use crate::open_crypto;
use crate::wire::{self, Media};

pub const HOSTILE: &str = "hostile";
const SPEAKER: &str = "speaker";
const LISTENER: &str = "listener";

const SPEAKER_SSRC: u32 = 0x5eab_0001;

/// Packets by which it is seen that the speaker is heard.
const PROOF_PACKETS: u16 = 5;

/// Datagrams that one input may cause: acknowledgements, resends, requests of keyframes. More is an amplifier.
const MAX_OUTPUTS_PER_INPUT: usize = 2_000;

pub struct Stage {
    pub now: Instant,
    shard: Shard,
    ufrags: Vec<(SocketAddr, String)>,
    heard: usize,
    seq: u16,
    transaction: u32,
    connected: Vec<String>,
}

pub fn address(name: &str) -> SocketAddr {
    let last = match name {
        HOSTILE => 1,
        SPEAKER => 2,
        _ => 3,
    };
    SocketAddr::from(([10, 0, 1, last], 5_000))
}

fn shard_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 10_000))
}

impl Stage {
    /// Speaker and listener are there; the hostile one has a seat.
    pub fn new() -> Self {
        static OPEN_CRYPTO: Once = Once::new();
        OPEN_CRYPTO.call_once(|| {
            open_crypto::install();
            tolerate_contained_panics();
        });
        fastrand::seed(5);
        let now = Instant::now();
        let mut stage = Self {
            now,
            shard: Shard::new(now, vec![shard_address()]),
            ufrags: Vec::new(),
            heard: 0,
            seq: 0,
            transaction: 0,
            connected: Vec::new(),
        };
        stage.open_room();
        stage.join(SPEAKER, &[Media::Microphone]);
        stage.join(
            LISTENER,
            &[
                Media::AudioSlot,
                Media::VideoSlot,
                Media::AudioSlot,
                Media::VideoSlot,
            ],
        );
        stage.assert_unharmed();
        stage
    }

    fn open_room(&mut self) {
        let (room, lease) = (RoomId::new("room"), LeaseId::new("lease"));
        self.obey(Command::OpenRoom { room: room.clone() });
        self.obey(Command::OpenLease {
            room: room.clone(),
            lease: lease.clone(),
            payer: None,
            payee: None,
        });
        for name in [SPEAKER, LISTENER, HOSTILE] {
            self.obey(Command::OpenSeat {
                room: room.clone(),
                user: UserId::new(name),
                lease: lease.clone(),
                may_publish: true,
            });
        }
        self.obey(Command::Grant {
            room,
            lease,
            received_at: self.now,
            terms: Terms {
                epoch: Epoch(1),
                seq: GrantSeq(1),
                quota: None,
                lease: Duration::from_secs(3_600),
            },
        });
    }

    /// Offer, and connect.
    pub fn join(&mut self, name: &str, media: &[Media]) {
        self.answer(name, &wire::offer(media)).unwrap();
        self.check(address(name));
        assert!(
            self.connected.iter().any(|user| user == name),
            "{name} is not connected"
        );
    }

    /// What the engine does with an offer.
    pub fn answer(&mut self, name: &str, sdp: &str) -> Result<String, SfuError> {
        let (room, user) = (RoomId::new("room"), UserId::new(name));
        let offer = Box::new(Offer::parse(sdp)?);
        let (reply, tried) = sync_channel(1);
        self.obey(Command::Renegotiate {
            room: room.clone(),
            user: user.clone(),
            offer,
            reply,
        });
        let offer = match tried.recv().unwrap() {
            Renegotiated::Answer(answer) => return answer,
            Renegotiated::NewSession(offer) => offer,
        };
        let mut rtc = build_session(self.now, open_crypto::certificate(), &[shard_address()])?;
        let fingerprint = offer.fingerprint().to_owned();
        let answer = offer.accept(&mut rtc)?;
        let lines = lines(&mut rtc, &mids(&answer));
        self.note_ufrag(address(name), &answer);
        let (reply, attached) = sync_channel(1);
        self.obey(Command::Attach {
            room,
            user,
            transport: Transport {
                rtc: Box::new(rtc),
                lines,
                fingerprint,
            },
            reply,
        });
        attached.recv().unwrap()?;
        Ok(answer)
    }

    fn note_ufrag(&mut self, from: SocketAddr, answer: &str) {
        let ufrag = answer
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        self.ufrags.retain(|(known, _)| *known != from);
        self.ufrags.push((from, ufrag.unwrap().to_owned()));
    }

    /// Have a client check that we are there, which tells us that it is.
    pub fn check(&mut self, from: SocketAddr) {
        if let Some(bytes) = self.next_check(from) {
            self.receive(from, &bytes);
        }
    }

    fn next_check(&mut self, from: SocketAddr) -> Option<Vec<u8>> {
        let (_, ufrag) = self.ufrags.iter().find(|(known, _)| *known == from)?;
        self.transaction += 1;
        Some(wire::check(ufrag, self.transaction))
    }

    /// A datagram arrives, a moment after the last.
    pub fn receive(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.now += Duration::from_millis(1);
        self.shard.handle(self.now, Input::Packet { from, bytes });
        self.drain();
    }

    /// A datagram arrives in a frame of a TCP connection from this address.
    pub fn receive_frame(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.now += Duration::from_millis(1);
        self.shard.handle(self.now, Input::Frame { from, bytes });
        self.drain();
    }

    /// As [`Stage::check`], over TCP.
    pub fn check_over_tcp(&mut self, from: SocketAddr) {
        if let Some(bytes) = self.next_check(from) {
            self.receive_frame(from, &bytes);
        }
    }

    /// The TCP connection from this address is gone.
    pub fn hang_up(&mut self, from: SocketAddr) {
        self.shard.handle(self.now, Input::HungUp { from });
        self.drain();
    }

    /// Time passes. Whoever means well checks that we are there.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.shard.handle(self.now, Input::Timeout);
        self.drain();
        self.check(address(SPEAKER));
        self.check(address(LISTENER));
    }

    pub fn obey(&mut self, command: Command) {
        self.shard.handle(self.now, Input::Command(command));
        self.drain();
    }

    fn drain(&mut self) {
        for _ in 0..MAX_OUTPUTS_PER_INPUT {
            match self.shard.poll_output() {
                Output::Timeout(_) => return,
                Output::Event(event) => self.note(event),
                Output::HangUp(_) => {}
                Output::Transmit(outgoing) => {
                    assert!(self.shard.may_send(&outgoing, self.now));
                    if outgoing.to == address(LISTENER)
                        && matches!(outgoing.gate, Gate::Media { .. })
                        && outgoing.bytes.ends_with(&heard_last())
                    {
                        self.heard += 1;
                    }
                    self.shard.sent(&outgoing, self.now);
                }
            }
        }
        panic!("more than {MAX_OUTPUTS_PER_INPUT} outputs of one input");
    }

    fn note(&mut self, event: Event) {
        if let What::TransportChanged { user, connected } = event.what {
            self.connected.retain(|name| *name != user.as_str());
            if connected {
                self.connected.push(user.as_str().to_owned());
            }
        }
    }

    /// The listener hears the speaker, every packet once.
    pub fn assert_unharmed(&mut self) {
        let before = self.heard;
        for _ in 0..PROOF_PACKETS {
            self.seq += 1;
            let packet = wire::protect_rtp(wire::audio(SPEAKER_SSRC, b'0', self.seq));
            self.receive(address(SPEAKER), &packet);
        }
        self.pass(Duration::from_millis(5));
        assert_eq!(self.heard - before, usize::from(PROOF_PACKETS));
        for name in [SPEAKER, LISTENER] {
            assert!(self.connected.iter().any(|user| user == name), "{name}");
        }
    }
}

/// A panic in a session is contained by the shard, and whether others are harmed is asserted: it is told, and is no end in
/// itself as it would be by libFuzzer's hook. Nothing contains those of a target, or of the shard.
fn tolerate_contained_panics() {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(place.unwrap_or_default()) {
            eprintln!("{panic}");
        }
    }));
}

/// How what the listener hears ends: the speaker's words and their tag.
fn heard_last() -> Vec<u8> {
    wire::protect_rtp(vec![0x78, 0x01, 0x02])
}
