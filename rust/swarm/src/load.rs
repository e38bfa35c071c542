//! Many peers in one process: conference rooms made over REST with a service's token, one summary at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

use crate::clock::monotonic_us;
use crate::error::SwarmError;
use crate::events::Events;
use crate::files::Files;
use crate::gauge::{Gauge, Usage};
use crate::media::Coding;
use crate::peer::{Conductor, Heights, Join, Outcome, Peer};
use crate::publisher::Publisher;
use crate::signaling::Endpoint;

const REST_TIMEOUT: Duration = Duration::from_secs(10);
/// Most rooms, and most peers of all of them: every peer has a thread and a socket.
const MAX_PEERS: usize = 2_000;

/// How long a peer stays that joins to see how soon it gets a picture.
const LATE_STAY: Duration = Duration::from_millis(700);

/// How much load.
#[derive(Debug)]
pub struct Load {
    /// Where the server is, and the service's token.
    pub endpoint: Endpoint,
    pub rooms: usize,
    /// Peers of each room.
    pub peers: usize,
    /// How many peers of each room publish.
    pub publishers: usize,
    pub video: Vec<Coding>,
    /// After the last peer was started, before anything is measured.
    pub warm_up: Duration,
    /// How long the peers stay after that.
    pub duration: Duration,
    /// Of media packets, peers that only receive decrypt one in so many.
    pub decrypt_one_in: u32,
    /// Further peers that join the first room one after the other.
    pub joins: usize,
    /// The server's process.
    pub server: Option<u32>,
    /// How large everybody asks for the first publisher's picture, and for those of the others.
    pub heights: Option<(u16, u16)>,
}

type Worker = JoinHandle<Result<Outcome, SwarmError>>;

/// Runs the load and prints its summary; returns whether every peer was connected.
///
/// # Errors
/// If the server does not make the rooms or the tokens. Peers that fail are counted.
pub fn run(load: &Load, files: &Files) -> Result<bool, SwarmError> {
    if load.rooms.saturating_mul(load.peers) > MAX_PEERS {
        return Err(SwarmError::Usage(format!("more than {MAX_PEERS} peers")));
    }
    let rest = Rest::new(&load.endpoint)?;
    let stop = Arc::new(AtomicBool::new(false));
    let gauge = Arc::new(Gauge::default());
    let mut workers = Vec::new();
    let events = Events::printed("load");
    let before = usage(load);
    let started = start_all(load, files, &rest, &stop, &gauge, &mut workers);
    let mut window = Value::Null;
    let mut first_video_us = Vec::new();
    if let Ok(rooms) = &started {
        thread::sleep(load.warm_up);
        window = measure(load, before, &gauge, &events);
        first_video_us = join_singly(load, &rest, rooms)?;
    }
    stop.store(true, Ordering::Relaxed);
    let outcomes: Vec<Option<Outcome>> = workers
        .into_iter()
        .map(|worker| worker.join().ok().and_then(Result::ok))
        .collect();
    for room in started? {
        rest.end_room(&room)?;
    }
    let mut summary = summary(&outcomes);
    let all = summary["connected"] == summary["peers"];
    summary["window"] = window;
    summary["join_first_video_us"] = first_video_us.into();
    events.tell("summary", summary);
    Ok(all)
}

fn usage(load: &Load) -> Usage {
    load.server.and_then(Usage::of).unwrap_or_default()
}

/// Let the load go on for its duration, and say what came and what the server used for it.
fn measure(load: &Load, before: Usage, gauge: &Gauge, events: &Events) -> Value {
    let (began_us, began) = (monotonic_us(), usage(load));
    gauge.set_open(true);
    events.tell("window_began", json!({}));
    thread::sleep(load.duration);
    gauge.set_open(false);
    let (us, ended) = (monotonic_us() - began_us, usage(load));
    events.tell("window_ended", json!({}));
    json!({
        "us": us,
        "packets": gauge.packets(),
        "latency_us": gauge.latencies(),
        "pictures": gauge.pictures(began_us + us),
        "server_cpu_us": ended.cpu_us.saturating_sub(began.cpu_us),
        "server_grew_bytes": ended.resident_bytes.saturating_sub(before.resident_bytes),
    })
}

/// Further peers join the first room, each alone and for a short while. Returns when each saw its first picture.
fn join_singly(load: &Load, rest: &Rest, rooms: &[String]) -> Result<Vec<u64>, SwarmError> {
    let Some(room) = rooms.first() else {
        return Ok(Vec::new());
    };
    let mut first_video_us = Vec::new();
    for number in 0..load.joins {
        let user = format!("{room}-late-{number}");
        let join = Join {
            slots: load.publishers,
            duration: Some(LATE_STAY),
            ..load.join(rest, room, user)?
        };
        let outcome = start(join, Publisher::default(), Arc::default()).join();
        first_video_us.extend(
            outcome
                .ok()
                .and_then(Result::ok)
                .and_then(|outcome| outcome.first_video_us),
        );
    }
    Ok(first_video_us)
}

impl Load {
    /// What every peer does alike.
    fn join(&self, rest: &Rest, room: &str, user: String) -> Result<Join, SwarmError> {
        Ok(Join {
            endpoint: Endpoint {
                bearer: None,
                ..self.endpoint.clone()
            },
            token: Some(rest.join_token(room, &user)?),
            room: room.to_owned(),
            user,
            slots: 0,
            video: self.video.clone(),
            duration: None,
            stays_after_terminate: false,
            decrypt_one_in: 1,
            path: Default::default(),
            gauge: None,
            heights: self.heights.map(|(of_speaker, of_others)| Heights {
                speaker: format!("{room}-0"),
                of_speaker,
                of_others,
            }),
        })
    }
}

fn start_all(
    load: &Load,
    files: &Files,
    rest: &Rest,
    stop: &Arc<AtomicBool>,
    gauge: &Arc<Gauge>,
    workers: &mut Vec<Worker>,
) -> Result<Vec<String>, SwarmError> {
    let mut rooms = Vec::new();
    for _ in 0..load.rooms {
        let room = rest.make_room(load.peers + usize::from(load.joins > 0))?;
        for number in 0..load.peers {
            let user = format!("{room}-{number}");
            let publishes = number < load.publishers;
            let publisher = if publishes {
                files.publisher(true)
            } else {
                Publisher::default()
            };
            let join = Join {
                slots: load.publishers - usize::from(publishes),
                decrypt_one_in: if publishes { 1 } else { load.decrypt_one_in },
                gauge: Some(Arc::clone(gauge)),
                ..load.join(rest, &room, user)?
            };
            workers.push(start(join, publisher, Arc::clone(stop)));
        }
        rooms.push(room);
    }
    Ok(rooms)
}

fn start(join: Join, publisher: Publisher, stop: Arc<AtomicBool>) -> Worker {
    thread::spawn(move || {
        let events = Events::silent(&join.user);
        Peer::connect(join, publisher, events, Conductor::Flag(stop))?.run()
    })
}

fn summary(outcomes: &[Option<Outcome>]) -> Value {
    let ran: Vec<&Outcome> = outcomes.iter().flatten().collect();
    let sum = |figure: &str| -> u64 {
        ran.iter()
            .filter_map(|outcome| outcome.summary[figure].as_u64())
            .sum()
    };
    let longest = ran
        .iter()
        .filter_map(|outcome| outcome.summary["longest_gap_us"].as_u64())
        .max();
    let mut connect_us: Vec<u64> = ran
        .iter()
        .filter_map(|outcome| outcome.connect_us)
        .collect();
    connect_us.sort_unstable();
    json!({
        "peers": outcomes.len(),
        "joined": ran.iter().filter(|outcome| outcome.joined).count(),
        "connected": connect_us.len(),
        "connect_p50_us": connect_us.get(connect_us.len() / 2),
        "connect_max_us": connect_us.last(),
        "packets": sum("packets"),
        "bytes": sum("bytes"),
        "lost": sum("lost"),
        "resent": sum("resent"),
        "frames": sum("frames"),
        "frames_broken": sum("frames_broken"),
        "keyframes": sum("keyframes"),
        "sent_packets": sum("sent_packets"),
        "longest_gap_us": longest,
        "ended_us": monotonic_us(),
    })
}

/// The few calls of the REST API that a service needs.
struct Rest {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Rest {
    fn new(endpoint: &Endpoint) -> Result<Self, SwarmError> {
        let base = endpoint
            .url
            .strip_prefix("ws://")
            .map(|host| format!("http://{}/api/rooms", host.trim_end_matches('/')))
            .ok_or_else(|| SwarmError::Usage("load works over ws:// only".to_owned()))?;
        let token = endpoint
            .bearer
            .as_ref()
            .ok_or_else(|| SwarmError::Usage("--bearer is needed".to_owned()))?;
        Ok(Self {
            agent: Agent::config_builder()
                .timeout_global(Some(REST_TIMEOUT))
                .build()
                .into(),
            base,
            authorization: format!("Bearer {token}"),
        })
    }

    fn make_room(&self, capacity: usize) -> Result<String, SwarmError> {
        let body = json!({"kind": "conference", "maxParticipants": capacity});
        self.post("", &body, "roomId")
    }

    fn join_token(&self, room: &str, user: &str) -> Result<String, SwarmError> {
        let body = json!({"isSpectator": false, "userId": user});
        self.post(&format!("/{room}/join-token"), &body, "token")
    }

    fn end_room(&self, room: &str) -> Result<(), SwarmError> {
        self.send(&format!("/{room}/end"), &json!({})).map(|_| ())
    }

    fn post(&self, path: &str, body: &Value, wanted: &str) -> Result<String, SwarmError> {
        self.send(path, body)?[wanted]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| SwarmError::Rest(format!("no {wanted} in the answer to {path}")))
    }

    fn send(&self, path: &str, body: &Value) -> Result<Value, SwarmError> {
        let failed = |error: ureq::Error| SwarmError::Rest(format!("POST {path}: {error}"));
        self.agent
            .post(format!("{}{path}", self.base))
            .header("Authorization", &self.authorization)
            .send_json(body)
            .and_then(|mut answer| answer.body_mut().read_json())
            .map_err(failed)
    }
}
