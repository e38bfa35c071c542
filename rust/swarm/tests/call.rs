//! A peer against a server of one seat that sends everything back: negotiation, media both ways, commands, endings.
//!
//! The files under `tests/media` are two seconds of ffmpeg's test picture (160x90, 30 frames a second, a keyframe every
//! second) and of a tone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may fail loudly, also outside of test functions"
)]

mod answerer;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use answerer::{Answerer, Ask};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(15);

/// A peer's process and what it tells.
struct Peer {
    process: Child,
    stdin: ChildStdin,
    events: Receiver<Value>,
    told: Vec<Value>,
}

impl Peer {
    fn join(server: &Answerer, options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_curtaincall-swarm"))
            .args([
                "join",
                "--url",
                &server.url,
                "--room",
                "r",
                "--user",
                "ann",
                "--token",
                "t",
            ])
            .args(options)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let _ = sender.send(serde_json::from_str(&line.unwrap()).unwrap());
            }
        });
        Self {
            stdin: process.stdin.take().unwrap(),
            process,
            events,
            told: Vec::new(),
        }
    }

    /// The next event of this name.
    fn wait_for(&mut self, name: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(event) = self
            .events
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.told.push(event.clone());
            if event["event"] == name {
                return event;
            }
        }
        panic!("{name} never came after {:#?}", self.told);
    }

    fn command(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    fn mark(&mut self) -> Value {
        self.command("mark");
        self.wait_for("mark")
    }

    /// Marks until a figure satisfies a condition.
    fn mark_until(&mut self, is_enough: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mark = self.mark();
            if is_enough(&mark) {
                return mark;
            }
            assert!(Instant::now() < deadline, "never enough: {mark:#}");
            std::thread::sleep(Duration::from_millis(20)); // between questions; nothing is waited for but the answer
        }
    }

    fn leave(&mut self) -> Value {
        self.command("leave");
        let summary = self.wait_for("summary");
        assert!(self.process.wait().unwrap().success());
        summary
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until the server has heard a message of this type.
fn heard(server: &Answerer, kind: &str) -> Value {
    loop {
        let message = server.heard.recv_timeout(PATIENCE).unwrap();
        if message["type"] == kind {
            return message;
        }
    }
}

fn published(video: &str) -> [&str; 7] {
    [
        "--publish-video",
        video,
        "--publish-audio",
        "clip.ogg",
        "--loop",
        "--slots",
        "2",
    ]
}

fn check_two_seconds_of_call(video: &str) {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &published(video));
    for event in ["joined", "answer", "connected", "first_video_packet"] {
        peer.wait_for(event);
    }
    let keyframe = peer.wait_for("keyframe");
    assert_eq!(
        (&keyframe["from_user"], &keyframe["width"]),
        (&json!("echo"), &json!(160))
    );
    peer.mark_until(|mark| mark["frames"].as_u64() >= Some(60));
    let summary = peer.leave();
    heard(&server, "LEAVE_ROOM");
    assert_eq!(
        (&summary["lost"], &summary["frames_broken"]),
        (&json!(0), &json!(0)),
        "{summary:#}"
    );
    assert!(summary["keyframes"].as_u64() >= Some(2), "{summary:#}");
    assert!(
        summary["per_source"]["echo"]["audio"]["frames"].as_u64() >= Some(90),
        "{summary:#}"
    );
    assert!(
        summary["sent_packets"].as_u64() >= summary["packets"].as_u64(),
        "{summary:#}"
    );
    assert!(summary["first_packet_us"].as_u64() < summary["last_packet_us"].as_u64());
}

#[test]
fn a_call_in_vp8() {
    check_two_seconds_of_call("clip.ivf");
}

#[test]
fn a_call_in_h264() {
    check_two_seconds_of_call("clip.h264");
}

#[test]
fn a_request_for_a_keyframe_is_answered_by_the_next_one_of_the_file() {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &published("clip.ivf"));
    let first = peer.wait_for("keyframe")["at_us"].as_u64().unwrap();
    server.ask(Ask::Keyframes);
    let second = peer.wait_for("keyframe")["at_us"].as_u64().unwrap();
    assert!(
        second - first < 700_000,
        "the file's own next keyframe comes after a second: {}",
        second - first
    );
    assert_eq!(peer.leave()["lost"], 0);
}

#[test]
fn lost_packets_are_asked_for_again() {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &published("clip.ivf"));
    peer.wait_for("keyframe");
    server.ask(Ask::LoseEvery(10));
    peer.mark_until(|mark| mark["resent"].as_u64() >= Some(3));
    server.ask(Ask::LoseEvery(0));
    let mark = peer.mark_until(|mark| mark["lost"] == 0 && mark["resent"].as_u64() >= Some(3));
    assert_eq!(mark["frames_broken"], 0);
}

#[test]
fn a_lost_network_is_a_gap_and_comes_back_with_a_restart_of_ice() {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &published("clip.ivf"));
    peer.wait_for("keyframe");
    peer.command("drop_network");
    let before = peer.mark()["packets"].as_u64();
    std::thread::sleep(Duration::from_millis(400)); // the time for which the network is lost
    assert_eq!(peer.mark()["packets"].as_u64(), before);
    peer.command("restore_network");
    peer.command("ice_restart");
    peer.wait_for("answer");
    let mark = peer.mark_until(|mark| mark["packets"].as_u64() > before);
    assert!(
        mark["gaps"][0]["len_us"].as_u64() >= Some(390_000),
        "{mark:#}"
    );
}

#[test]
fn a_new_connection_may_be_offered_on_the_same_seat() {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &published("clip.ivf"));
    peer.wait_for("keyframe");
    peer.command("offer_again");
    peer.wait_for("connected");
    peer.wait_for("keyframe");
}

#[test]
fn muted_video_is_not_sent_and_goes_on_with_a_keyframe() {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &published("clip.ivf"));
    peer.wait_for("keyframe");
    peer.command("mute_video");
    let frames = peer.mark()["frames"].as_u64().unwrap();
    let audio = |mark: &Value| mark["per_source"]["echo"]["audio"]["packets"].as_u64();
    let enough = audio(&peer.mark()).map(|packets| packets + 20);
    let mark = peer.mark_until(|mark| audio(mark) >= enough);
    assert!(mark["frames"].as_u64().unwrap() <= frames + 2, "{mark:#}");
    peer.command("unmute_video");
    peer.wait_for("keyframe");
}

#[test]
fn after_terminate_call_a_peer_stops_at_once_and_ends_when_the_server_closes() {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &published("clip.ivf"));
    peer.wait_for("keyframe");
    server.ask(Ask::Say(
        json!({"type": "TERMINATE_CALL", "reason": "TIME_EXPIRED", "redirectUrl": "/models"}),
    ));
    let end = peer.wait_for("terminate");
    assert_eq!(end["reason"], "TIME_EXPIRED");
    server.ask(Ask::Close(4410));
    assert_eq!(peer.wait_for("closed")["code"], 4410);
    let summary = peer.wait_for("summary");
    let sent_after_us = summary["last_sent_us"]
        .as_u64()
        .unwrap()
        .saturating_sub(end["at_us"].as_u64().unwrap());
    assert!(sent_after_us < 50_000, "{sent_after_us} us");
}

#[test]
fn a_peer_that_does_not_cooperate_goes_on() {
    let server = Answerer::start();
    let mut peer = Peer::join(
        &server,
        &[&published("clip.ivf")[..], &["--stay-after-terminate"]].concat(),
    );
    peer.wait_for("keyframe");
    server.ask(Ask::Say(
        json!({"type": "TERMINATE_CALL", "reason": "PAYMENT_FAILED", "redirectUrl": "/models"}),
    ));
    peer.wait_for("terminate");
    server.ask(Ask::Say(
        json!({"type": "ERROR", "code": "room_ended", "message": "It has ended."}),
    ));
    assert_eq!(peer.wait_for("error")["code"], "room_ended");
    let sent = peer.mark()["sent_packets"].as_u64();
    peer.mark_until(|mark| mark["sent_packets"].as_u64() > sent.map(|sent| sent + 50));
}

#[test]
fn messages_of_the_server_are_told_and_chat_is_sent() {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &["--slots", "1"]);
    peer.wait_for("connected");
    let session = json!({"type": "SESSION", "sessionId": "s", "state": "ACTIVE"});
    server.ask(Ask::Say(session.clone()));
    assert_eq!(peer.wait_for("session")["message"], session);
    server.ask(Ask::Say(json!({"type": "LOW_BALANCE", "secondsLeft": 10})));
    assert_eq!(peer.wait_for("low_balance")["message"]["secondsLeft"], 10);
    server.ask(Ask::Say(
        json!({"type": "CHAT", "from": "bob", "text": "hi"}),
    ));
    assert_eq!(peer.wait_for("message")["message"]["text"], "hi");
    peer.command("chat hello there");
    assert_eq!(heard(&server, "CHAT")["text"], "hello there");
}

#[test]
fn three_layers_are_offered_and_taken() {
    let server = Answerer::start();
    let layers = ["--simulcast", "clip.ivf,clip.ivf,clip.ivf", "--loop"];
    let mut peer = Peer::join(&server, &layers);
    peer.wait_for("connected");
    let offer = heard(&server, "OFFER");
    assert!(
        offer["sdp"]
            .as_str()
            .unwrap()
            .contains("a=simulcast:send h;m;l")
    );
    peer.mark_until(|mark| mark["sent_packets"].as_u64() >= Some(100));
}

#[test]
fn a_peer_whose_signaling_breaks_tells_and_ends() {
    let server = Answerer::start();
    let mut peer = Peer::join(&server, &published("clip.ivf"));
    peer.wait_for("keyframe");
    server.ask(Ask::Close(1011));
    assert_eq!(peer.wait_for("closed")["code"], 1011);
    peer.wait_for("summary");
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let mut server = Answerer::start();
    server.url = "ws://127.0.0.1:1".to_owned();
    let mut peer = Peer::join(&server, &[]);
    assert_eq!(peer.wait_for("error")["code"], "unreachable");
    assert!(!peer.process.wait().unwrap().success());
}
