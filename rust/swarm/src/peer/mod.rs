//! One peer: joins a room as a client, publishes, receives, obeys its commands, and ends with its figures.

mod conversation;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use self::conversation::SEVERED_LINGER_US;
use crate::clock::{Epoch, monotonic_us};
use crate::connection::{Connection, News, Sent};
use crate::control::{Command, Control, Unknown};
use crate::error::SwarmError;
use crate::events::Events;
use crate::gauge::Gauge;
use crate::media::Coding;
use crate::path::Network;
use crate::publisher::Publisher;
use crate::reception::Reception;
use crate::report::{Packet, Role};
use crate::signaling::{Endpoint, Signaling};

/// A turn of the loop waits at most this long.
const LONGEST_WAIT_US: u64 = 100_000;

/// A peer that only counts looks at what came so often; times of arrival are the kernel's all the same.
const NAP: Duration = Duration::from_millis(20);

/// What a peer is to do.
#[derive(Clone, Debug)]
pub struct Join {
    pub endpoint: Endpoint,
    pub room: String,
    pub user: String,
    /// A join token, if the connection is not authenticated otherwise.
    pub token: Option<String>,
    /// Pairs of slots.
    pub slots: usize,
    /// Codings of video that are offered, the best first.
    pub video: Vec<Coding>,
    pub duration: Option<Duration>,
    /// Go on sending and receiving after TERMINATE_CALL, as a client that does not cooperate.
    pub stays_after_terminate: bool,
    /// Of media packets only one in so many is decrypted; above 1 the peer also looks at what came only now and then.
    pub decrypt_one_in: u32,
    /// How bad the network is to be.
    pub path: Network,
    /// Where the peers of a load measure together.
    pub gauge: Option<Arc<Gauge>>,
    /// How large the pictures of others are asked for; `None` asks for nothing.
    pub heights: Option<Heights>,
}

/// Somebody speaks, and everybody looks at him.
#[derive(Clone, Debug)]
pub struct Heights {
    pub speaker: String,
    pub of_speaker: u16,
    pub of_others: u16,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether the server let the peer into the room.
    pub joined: bool,
    /// From the first step of the WebSocket to a connection that carries media, in microseconds; `None` if it never did.
    pub connect_us: Option<u64>,
    /// From the same step to the first packet of a picture.
    pub first_video_us: Option<u64>,
    /// The figures of the `summary` event.
    pub summary: Value,
}

/// From where a peer is told to stop.
pub enum Conductor<'a> {
    /// Commands on stdin.
    Stdin(&'a std::io::Stdin),
    /// Leave when this is set.
    Flag(Arc<AtomicBool>),
}

/// A peer at work.
pub struct Peer<'a> {
    join: Join,
    events: Events,
    conductor: Conductor<'a>,
    control: Control,
    epoch: Epoch,
    signaling: Signaling,
    connection: Option<Connection>,
    publisher: Publisher,
    reception: Reception,
    /// Sent by connections that were replaced.
    sent_before: Sent,
    network: bool,
    began_us: u64,
    joined: bool,
    /// Users whose picture has been asked for in a size.
    asked: HashSet<String>,
    connect_us: Option<u64>,
    terminated: bool,
    leaving: bool,
    /// A failure of the present connection has been told.
    media_failed: bool,
    ends_at_us: Option<u64>,
    leaves_at_us: Option<u64>,
}

/// What there is to read.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    commands: bool,
    signaling: bool,
    media: bool,
}

impl<'a> Peer<'a> {
    /// Connects to signaling and asks to join.
    pub fn connect(
        join: Join,
        publisher: Publisher,
        events: Events,
        conductor: Conductor<'a>,
    ) -> Result<Self, SwarmError> {
        let began_us = monotonic_us();
        let reception = Reception::new(events.clone());
        let mut signaling = Signaling::connect(&join.endpoint)?;
        let mut message = json!({"type": "JOIN_ROOM", "roomId": join.room, "userId": join.user, "isSpectator": false});
        if let Some(token) = &join.token {
            message["token"] = token.as_str().into();
        }
        signaling.send(&message);
        let lasts_us = join.duration.map(|duration| duration.as_micros());
        let leaves_at_us =
            lasts_us.map(|us| monotonic_us().saturating_add(u64::try_from(us).unwrap_or(u64::MAX)));
        Ok(Self {
            join,
            events,
            conductor,
            control: Control::default(),
            epoch: Epoch::now(),
            signaling,
            connection: None,
            publisher,
            reception,
            sent_before: Sent::default(),
            network: true,
            began_us,
            joined: false,
            asked: HashSet::new(),
            connect_us: None,
            terminated: false,
            leaving: false,
            media_failed: false,
            ends_at_us: None,
            leaves_at_us,
        })
    }

    /// Works until the end.
    ///
    /// # Errors
    /// Only what the peer can do nothing about; refusals and closed connections are events.
    pub fn run(mut self) -> Result<Outcome, SwarmError> {
        let mut more = false;
        while self
            .ends_at_us
            .is_none_or(|ends_at_us| monotonic_us() < ends_at_us)
        {
            let ready = self.wait(more)?;
            if ready.commands {
                self.obey_all();
            }
            more = ready.signaling && self.hear_all();
            more |= self.media_turn(ready.media);
            let now_us = monotonic_us();
            let told_to_leave =
                matches!(&self.conductor, Conductor::Flag(flag) if flag.load(Ordering::Relaxed));
            let time_is_up = self
                .leaves_at_us
                .is_some_and(|leaves_at_us| leaves_at_us <= now_us);
            if (told_to_leave || time_is_up) && !self.leaving {
                self.leave();
            }
            if self.signaling.is_closed() && self.control.has_ended() {
                self.end_within(SEVERED_LINGER_US); // there is nobody left who could end it
            }
        }
        let summary = self.summary();
        self.events.tell("summary", summary.clone());
        Ok(Outcome {
            joined: self.joined,
            connect_us: self.connect_us,
            first_video_us: self
                .reception
                .first_video_us()
                .map(|at_us| at_us.saturating_sub(self.began_us)),
            summary,
        })
    }

    /// Waits until something can be read or is due.
    fn wait(&self, at_once: bool) -> Result<Ready, SwarmError> {
        if self.join.decrypt_one_in > 1 && self.connect_us.is_some() {
            std::thread::sleep(NAP);
        }
        let now_us = monotonic_us();
        let due = [
            Some(now_us + LONGEST_WAIT_US),
            self.connection.as_ref().map(Connection::wake_us),
            self.publisher.due_us(),
            self.ends_at_us,
            self.leaves_at_us.filter(|_| !self.leaving),
        ];
        let wait_us = due
            .into_iter()
            .flatten()
            .min()
            .map_or(0, |due_us| due_us.saturating_sub(now_us));
        let wait_ms = if at_once { 0 } else { wait_us.div_ceil(1_000) };
        let mut sources = Vec::with_capacity(3);
        let mut place = |source: Option<_>, flags| {
            let fd = source?;
            sources.push(PollFd::new(fd, flags));
            Some(sources.len() - 1)
        };
        let commands = match &self.conductor {
            Conductor::Stdin(stdin) => place(self.control.source(stdin), PollFlags::POLLIN),
            Conductor::Flag(_) => None,
        };
        let mut flags = PollFlags::POLLIN;
        flags.set(PollFlags::POLLOUT, self.signaling.is_unsent());
        let signaling = place(self.signaling.source(), flags);
        let media = place(
            self.connection.as_ref().map(Connection::source),
            PollFlags::POLLIN,
        );
        match poll(
            &mut sources,
            PollTimeout::try_from(wait_ms).unwrap_or(PollTimeout::ZERO),
        ) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready =
            |place: Option<usize>| place.is_some_and(|at| sources[at].any().unwrap_or(true));
        Ok(Ready {
            commands: is_ready(commands),
            signaling: at_once || is_ready(signaling),
            media: at_once || is_ready(media),
        })
    }

    fn obey_all(&mut self) {
        let Conductor::Stdin(stdin) = &self.conductor else {
            return;
        };
        for command in self.control.read(stdin) {
            match command {
                Ok(command) => self.obey(command),
                Err(Unknown(line)) => self.tell_error("unknown_command", &line),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now_us = monotonic_us();
        match command {
            Command::Leave => self.leave(),
            Command::Quit => self.ends_at_us = Some(now_us),
            Command::Mute { video, audio } => self.publisher.set_muted(true, video, audio, now_us),
            Command::Unmute { video, audio } => {
                self.publisher.set_muted(false, video, audio, now_us)
            }
            Command::Path(path) => {
                self.join.path = self.join.path.changed(*path);
                if let Some(connection) = &mut self.connection {
                    connection.set_path(self.join.path);
                }
            }
            Command::DropNetwork => self.set_network(false),
            Command::RestoreNetwork => self.set_network(true),
            Command::IceRestart => {
                let offer = self.connection.as_mut().map(Connection::restart_ice);
                match offer {
                    Some(Ok(sdp)) => self.signaling.send(&json!({"type": "OFFER", "sdp": sdp})),
                    Some(Err(error)) => self.tell_error("negotiation", &error.to_string()),
                    None => self.tell_error("unknown_command", "there is no connection to restart"),
                }
            }
            Command::OfferAgain => self.offer(),
            Command::Chat(text) => self.signaling.send(&json!({"type": "CHAT", "text": text})),
            Command::Mark(label) => {
                let mut figures = self.summary();
                figures["label"] = label.into();
                self.events.tell("mark", figures);
            }
            Command::Flood(per_s) => self.flood(per_s),
            Command::WithholdReports(withholds) => {
                if let Some(connection) = &mut self.connection {
                    connection.mischief.withholds_reports = withholds;
                }
            }
        }
    }

    fn flood(&mut self, per_s: u32) {
        match self.connection.as_mut().map(|it| it.flood(per_s)) {
            Some(Ok(sent)) => self.events.tell("flooded", json!({"sent": sent})),
            Some(Err(error)) => self.tell_error("flood", &error.to_string()),
            None => self.tell_error("unknown_command", "there is no connection to flood"),
        }
    }

    fn set_network(&mut self, connected: bool) {
        self.network = connected;
        self.signaling.set_network(connected);
        if connected {
            self.signaling.flush();
        }
        if let Some(connection) = &mut self.connection {
            connection.set_network(connected);
        }
    }

    fn stop_media(&mut self) {
        self.publisher.stop();
        let mut news = Vec::new();
        if let Some(connection) = &mut self.connection {
            connection.close(&mut news);
        }
        self.take_in(news);
    }

    fn end_within(&mut self, linger_us: u64) {
        let ends_at_us = monotonic_us() + linger_us;
        self.ends_at_us = Some(
            self.ends_at_us
                .map_or(ends_at_us, |earlier_us| earlier_us.min(ends_at_us)),
        );
    }

    /// Receives what has come, sends what is due; returns whether there may be more to receive.
    fn media_turn(&mut self, readable: bool) -> bool {
        let mut news = Vec::new();
        let mut more = false;
        let mut failure = None;
        if let Some(connection) = &mut self.connection {
            if readable || connection.is_due(monotonic_us()) {
                match connection.receive(&mut news) {
                    Ok(left) => more = left,
                    Err(error) => failure = Some(error),
                }
            }
            let now_us = monotonic_us();
            match self.publisher.write_due(now_us, connection) {
                Ok(wrote) if wrote || connection.wake_us() <= now_us => {
                    failure = connection.tick(&mut news).err()
                }
                Ok(_) => {}
                Err(unwanted) => failure = Some(SwarmError::Negotiation(unwanted.to_string())),
            }
        }
        if let Some(error) = failure
            && !std::mem::replace(&mut self.media_failed, true)
        {
            self.tell_error("media", &error.to_string());
        }
        self.take_in(news);
        more
    }

    fn take_in(&mut self, news: Vec<News>) {
        for news in news {
            match news {
                News::Connected => {
                    let now_us = monotonic_us();
                    self.connect_us.get_or_insert(now_us - self.began_us);
                    self.events.tell("connected", json!({}));
                    if !self.terminated && !self.leaving {
                        self.publisher.start(now_us);
                    }
                }
                News::Disconnected => self.events.tell("disconnected", json!({})),
                News::Closed => self.events.tell("media_closed", json!({})),
                News::Packet(packet, role) => {
                    self.gauge(packet, role);
                    self.reception.packet(packet, role);
                }
                News::Left {
                    at_us,
                    kind,
                    timestamp,
                } => {
                    if let Some(gauge) = &self.join.gauge {
                        gauge.left(&self.join.user, kind, timestamp, at_us);
                    }
                }
                News::Frame { at_us, kind, data } => {
                    let judged = self.reception.frame(at_us, kind, &data);
                    if let Some(gauge) = &self.join.gauge
                        && judged.usable
                        && kind.is_video()
                    {
                        gauge.moved(&self.join.user, data.mid, at_us);
                    }
                    if let (Some(mid), Some(connection)) = (judged.ask, &mut self.connection) {
                        connection.request_keyframe(mid);
                    }
                }
                News::KeyframeWanted { own } => self.publisher.keyframe_wanted(own),
            }
        }
    }

    fn gauge(&self, packet: Packet, role: Role) {
        let (Some(gauge), Role::Media { mid, kind }) = (&self.join.gauge, role) else {
            return;
        };
        gauge.came();
        if let Some(publisher) = self
            .reception
            .owner(mid)
            .filter(|_| kind.is_audio() || packet.marker)
        {
            gauge.arrived(publisher, kind, packet.timestamp, packet.at_us);
        }
    }

    fn tell_error(&self, code: &str, message: &str) {
        self.events
            .tell("error", json!({"code": code, "message": message}));
    }

    fn sent(&self) -> Sent {
        let now = self
            .connection
            .as_ref()
            .map_or_else(Sent::default, |connection| connection.sent);
        Sent {
            packets: self.sent_before.packets + now.packets,
            last_us: now.last_us.max(self.sent_before.last_us),
        }
    }

    fn summary(&self) -> Value {
        let mut figures = self.reception.figures();
        let sent = self.sent();
        figures["sent_packets"] = sent.packets.into();
        figures["last_sent_us"] = sent.last_us.into();
        figures
    }
}
