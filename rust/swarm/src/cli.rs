//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use curtaincall_link::{Conditions, Unclear};
use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::error::SwarmError;
use crate::media::Coding;
use crate::path::Network;

pub const USAGE: &str = "\
Headless peers that join Curtaincall rooms as real clients. Events are JSON lines on stdout.

curtaincall-swarm join --url ws://HOST:PORT --room ROOM --user USER [OPTIONS]
  --token TOKEN          join token, sent in JOIN_ROOM
  --bearer TOKEN         access token, sent with the WebSocket's upgrade request
  --origin ORIGIN        Origin header of the upgrade request
  --certificate FILE     with wss://: the certificate (PEM) that the server must present
  --publish-video FILE   VP8 in IVF (.ivf) or H264 in Annex B form (.h264)
  --publish-audio FILE   Opus in Ogg (.ogg)
  --simulcast HI,MID,LO  three video files as layers of one track, instead of --publish-video
  --loop                 play files over and over
  --fps RATE             frame rate of H264 files that do not say theirs (30)
  --codec vp8|h264       offer this video coding first (that of the published file, else vp8)
  --slots N              pairs of slots, audio and video (4)
  --duration-s SECONDS   leave after so long
  --stay-after-terminate go on sending and receiving after TERMINATE_CALL
  --network-up SPEC, --network-down SPEC
                         a network as bad as this in one direction: loss=PERCENT, delay=MS, jitter=MS,
                         reorder=PERCENT, rate=KBPS, bursts=MS, joined by commas
  Commands on stdin: leave, quit, mute_video, unmute_video, mute_all, unmute_all, drop_network,
  restore_network, network_up SPEC, network_down SPEC, ice_restart, offer_again, chat TEXT, mark [LABEL],
  flood PACKETS_PER_S (rubbish from its own address; 0 ends it), withhold_reports, send_reports.

curtaincall-swarm load --url ws://HOST:PORT --bearer SERVICE_TOKEN --rooms N --peers M [OPTIONS]
  N conference rooms of M peers each in one process; prints one summary.
  --publish-video, --publish-audio, --simulcast, --fps, --codec as above; files are looped
  --publishers P         how many peers of a room publish (all)
  --warm-up-s SECONDS    after the last peer has been started, before anything is measured (0)
  --duration-s SECONDS   how long the peers stay after that (30)
  --decrypt-one-in N     peers that only receive decrypt one packet in N, count the others by their headers, and
                         look at what came 50 times a second: a light load on this side (1: real peers)
  --joins N              afterwards, N more peers join the first room one after the other
  --heights SPEAKER,REST everybody asks for the first publisher's picture in this height, for the others' in that
  --server PID           the server's process, to measure what it uses meanwhile

curtaincall-swarm flood --to IP:PORT --per-s N [--duration-s SECONDS]
  Rubbish from an address that the server does not know.
";

/// What to do.
#[derive(Debug)]
pub enum Task {
    Help,
    Join(Options),
    Load(Options),
    Flood(Options),
}

/// Everything that can be said on the command line; what is missing and needed is found out by the task.
#[derive(Debug, Default)]
pub struct Options {
    pub url: Option<String>,
    pub room: Option<String>,
    pub user: Option<String>,
    pub token: Option<String>,
    pub bearer: Option<String>,
    pub origin: Option<String>,
    pub certificate: Option<PathBuf>,
    pub video: Vec<PathBuf>,
    pub audio: Option<PathBuf>,
    pub repeats: bool,
    pub frames_per_s: Option<f64>,
    pub codec: Option<Coding>,
    pub slots: Option<usize>,
    pub duration: Option<Duration>,
    pub stays_after_terminate: bool,
    pub path: Network,
    pub rooms: Option<usize>,
    pub peers: Option<usize>,
    pub publishers: Option<usize>,
    pub warm_up: Option<Duration>,
    pub decrypt_one_in: Option<u32>,
    pub joins: Option<usize>,
    pub server: Option<u32>,
    pub heights: Option<(u16, u16)>,
    pub to: Option<SocketAddr>,
    pub per_s: Option<u32>,
}

/// Most simulcast layers.
const MAX_LAYERS: usize = 3;
/// Most pairs of slots: an OFFER has to fit into 64 KB.
const MAX_SLOTS: usize = 20;

/// Parses the arguments after the program's name.
pub fn parse(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Task, SwarmError> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let task: fn(Options) -> Task = match parser.next()? {
        Some(Value(name)) if name == "join" => Task::Join,
        Some(Value(name)) if name == "load" => Task::Load,
        Some(Value(name)) if name == "flood" => Task::Flood,
        None | Some(Short('h') | Long("help")) => return Ok(Task::Help),
        Some(other) => return Err(other.unexpected().into()),
    };
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        let Long(name) = argument else {
            return Err(argument.unexpected().into());
        };
        let name = name.to_owned();
        match name.as_str() {
            "help" => return Ok(Task::Help),
            "loop" => options.repeats = true,
            "stay-after-terminate" => options.stays_after_terminate = true,
            _ => set(&mut options, &name, parser.value()?)?,
        }
    }
    Ok(task(options))
}

fn set(options: &mut Options, name: &str, value: std::ffi::OsString) -> Result<(), SwarmError> {
    match name {
        "url" => options.url = Some(value.string()?),
        "room" => options.room = Some(value.string()?),
        "user" => options.user = Some(value.string()?),
        "token" => options.token = Some(value.string()?),
        "bearer" => options.bearer = Some(value.string()?),
        "origin" => options.origin = Some(value.string()?),
        "certificate" => options.certificate = Some(value.into()),
        "publish-video" => options.video = vec![value.into()],
        "publish-audio" => options.audio = Some(value.into()),
        "simulcast" => {
            options.video = value.string()?.split(',').map(PathBuf::from).collect();
            if !(2..=MAX_LAYERS).contains(&options.video.len()) {
                return Err(SwarmError::Usage(
                    "--simulcast takes two or three files".to_owned(),
                ));
            }
        }
        "fps" => options.frames_per_s = Some(value.parse()?),
        "codec" => {
            options.codec = Some(match value.string()?.as_str() {
                "vp8" => Coding::Vp8,
                "h264" => Coding::H264,
                other => return Err(SwarmError::Usage(format!("--codec {other}: vp8 or h264"))),
            });
        }
        "slots" => options.slots = Some(value.parse::<usize>()?.min(MAX_SLOTS)),
        "duration-s" => options.duration = Some(duration(name, value.parse()?)?),
        "warm-up-s" => options.warm_up = Some(duration(name, value.parse()?)?),
        "decrypt-one-in" => options.decrypt_one_in = Some(value.parse()?),
        "joins" => options.joins = Some(value.parse()?),
        "server" => options.server = Some(value.parse()?),
        "heights" => options.heights = Some(heights(&value.string()?)?),
        "to" => options.to = Some(value.parse()?),
        "per-s" => options.per_s = Some(value.parse()?),
        "network-up" => options.path.up = Some(network(&value.string()?)?),
        "network-down" => options.path.down = Some(network(&value.string()?)?),
        "rooms" => options.rooms = Some(value.parse()?),
        "peers" => options.peers = Some(value.parse()?),
        "publishers" => options.publishers = Some(value.parse()?),
        _ => return Err(SwarmError::Usage(format!("there is no option --{name}"))),
    }
    Ok(())
}

fn network(words: &str) -> Result<Conditions, SwarmError> {
    let unclear = |unclear: Unclear| SwarmError::Usage(unclear.to_string());
    words.parse().map_err(unclear)
}

fn duration(name: &str, seconds: f64) -> Result<Duration, SwarmError> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| SwarmError::Usage(format!("--{name} {seconds}: no duration")))
}

fn heights(text: &str) -> Result<(u16, u16), SwarmError> {
    text.split_once(',')
        .and_then(|(speaker, rest)| Some((speaker.parse().ok()?, rest.parse().ok()?)))
        .ok_or_else(|| SwarmError::Usage(format!("--heights {text}: two numbers and a comma")))
}

/// The value of an option that a task cannot do without.
pub fn needed<T>(value: Option<T>, option: &str) -> Result<T, SwarmError> {
    value.ok_or_else(|| SwarmError::Usage(format!("{option} is needed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(line: &str) -> Result<Task, SwarmError> {
        parse(line.split(' ').map(Into::into))
    }

    #[test]
    fn a_join_is_read_from_its_options() {
        let line = "join --url ws://h:1 --room r --user u --simulcast a.ivf,b.ivf,c.ivf --slots=2 --duration-s 1.5 --loop";
        let Ok(Task::Join(options)) = task(line) else {
            panic!("not a join");
        };
        assert_eq!(options.video.len(), 3);
        assert_eq!(options.slots, Some(2));
        assert_eq!(options.duration, Some(Duration::from_millis(1_500)));
        assert!(options.repeats);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for line in [
            "dance",
            "join --wat 1",
            "join --slots x",
            "join --simulcast a",
            "join --codec av1",
            "join u",
        ] {
            assert!(matches!(task(line), Err(SwarmError::Usage(_))), "{line}");
        }
    }
}
