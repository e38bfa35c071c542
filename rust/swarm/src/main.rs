//! Headless peers: they join over the public signaling as any client does, publish real files, and tell what they
//! received and when. For tests, benches and the demo.

mod cli;
mod clock;
mod connection;
mod control;
mod error;
mod events;
mod files;
mod flood;
mod gauge;
mod load;
mod media;
mod pacing;
mod path;
mod peer;
mod publisher;
mod reception;
mod report;
mod sdp;
mod sequence;
mod signaling;
mod socket;
mod tls;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use crate::cli::{Options, Task, needed};
use crate::error::SwarmError;
use crate::events::Events;
use crate::files::Files;
use crate::flood::Flood;
use crate::load::Load;
use crate::peer::{Conductor, Join, Peer};
use crate::signaling::Endpoint;

/// Pairs of slots unless told otherwise.
const SLOTS: usize = 4;
/// How long a load lasts unless told otherwise.
const LOAD_DURATION: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let result = match cli::parse(std::env::args_os().skip(1)) {
        Ok(Task::Help) => {
            print!("{}", cli::USAGE);
            Ok(true)
        }
        Ok(Task::Join(options)) => join(options),
        Ok(Task::Load(options)) => load(options),
        Ok(Task::Flood(options)) => flood(options),
        Err(error) => Err(error),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("curtaincall-swarm: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs one peer; returns whether it was let into the room.
fn join(options: Options) -> Result<bool, SwarmError> {
    let user = needed(options.user, "--user")?;
    let events = Events::printed(&user);
    let files = Files::open(
        &options.video,
        options.audio.as_deref(),
        options.frames_per_s,
    )?;
    let join = Join {
        endpoint: Endpoint {
            url: needed(options.url, "--url")?,
            bearer: options.bearer,
            origin: options.origin,
            certificate: options.certificate,
        },
        room: needed(options.room, "--room")?,
        user,
        token: options.token,
        slots: options.slots.unwrap_or(SLOTS),
        video: files.codings(options.codec),
        duration: options.duration,
        stays_after_terminate: options.stays_after_terminate,
        decrypt_one_in: 1,
        path: options.path,
        gauge: None,
        heights: None,
    };
    let stdin = std::io::stdin();
    let peer = Peer::connect(
        join,
        files.publisher(options.repeats),
        events.clone(),
        Conductor::Stdin(&stdin),
    );
    match peer {
        Ok(peer) => Ok(peer.run()?.joined),
        Err(
            error @ (SwarmError::Refused { .. } | SwarmError::Io(_) | SwarmError::Signaling(_)),
        ) => {
            let code = match error {
                SwarmError::Refused { status } => format!("http_{status}"),
                _ => "unreachable".to_owned(),
            };
            events.tell("error", json!({"code": code, "message": error.to_string()}));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Sends rubbish to a server as somebody whom it does not know.
fn flood(options: Options) -> Result<bool, SwarmError> {
    let to = needed(options.to, "--to")?;
    let any: std::net::IpAddr = match to {
        std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    let flood = Flood::start(socket, to, needed(options.per_s, "--per-s")?, &[])?;
    std::thread::sleep(options.duration.unwrap_or(LOAD_DURATION));
    Events::printed("stranger").tell("flooded", json!({"sent": flood.stop()}));
    Ok(true)
}

/// Runs many peers; returns whether all of them were connected.
fn load(options: Options) -> Result<bool, SwarmError> {
    let files = Files::open(
        &options.video,
        options.audio.as_deref(),
        options.frames_per_s,
    )?;
    let peers = needed(options.peers, "--peers")?;
    let load = Load {
        endpoint: Endpoint {
            url: needed(options.url, "--url")?,
            bearer: options.bearer,
            origin: options.origin,
            certificate: options.certificate,
        },
        rooms: needed(options.rooms, "--rooms")?,
        peers,
        publishers: options.publishers.unwrap_or(peers).min(peers),
        video: files.codings(options.codec),
        duration: options.duration.unwrap_or(LOAD_DURATION),
        warm_up: options.warm_up.unwrap_or_default(),
        decrypt_one_in: options.decrypt_one_in.unwrap_or(1).max(1),
        joins: options.joins.unwrap_or(0),
        server: options.server,
        heights: options.heights,
    };
    load::run(&load, &files)
}
