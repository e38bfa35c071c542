//! Commands on stdin, one a line.

use std::os::fd::{AsFd, BorrowedFd};

use crate::path::Network;

/// Longest line that is kept; what is longer is no command.
const MAX_LINE_BYTES: usize = 64 << 10;

/// What somebody who drives a peer can ask of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Leave the room with LEAVE_ROOM, then end.
    Leave,
    /// End without a word to the server.
    Quit,
    Mute {
        video: bool,
        audio: bool,
    },
    Unmute {
        video: bool,
        audio: bool,
    },
    /// Lose everything that is sent and received, media and signaling, from now on.
    DropNetwork,
    RestoreNetwork,
    /// Make the network as bad as is said: directions that are not named stay as they are.
    Path(Box<Network>),
    /// Offer again with new ICE credentials.
    IceRestart,
    /// Offer again with a new PeerConnection on the same seat.
    OfferAgain,
    Chat(String),
    /// Tell what was received so far.
    Mark(String),
    /// Send so many packets of rubbish a second beside everything else.
    Flood(u32),
    /// Acknowledge nothing that is received, until told otherwise.
    WithholdReports(bool),
}

impl Command {
    /// Reads one line; `None` if it is no command.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (video, audio) = (true, true);
        Some(match name {
            "leave" => Self::Leave,
            "quit" => Self::Quit,
            "mute_video" => Self::Mute {
                video,
                audio: false,
            },
            "unmute_video" => Self::Unmute {
                video,
                audio: false,
            },
            "mute_all" => Self::Mute { video, audio },
            "unmute_all" => Self::Unmute { video, audio },
            "network_up" => Self::Path(Box::new(Network {
                up: Some(rest.parse().ok()?),
                down: None,
            })),
            "network_down" => Self::Path(Box::new(Network {
                up: None,
                down: Some(rest.parse().ok()?),
            })),
            "drop_network" => Self::DropNetwork,
            "restore_network" => Self::RestoreNetwork,
            "ice_restart" => Self::IceRestart,
            "offer_again" => Self::OfferAgain,
            "chat" => Self::Chat(rest.to_owned()),
            "mark" => Self::Mark(rest.to_owned()),
            "flood" => Self::Flood(rest.parse().ok()?),
            "withhold_reports" => Self::WithholdReports(true),
            "send_reports" => Self::WithholdReports(false),
            _ => return None,
        })
    }
}

/// Stdin as a source of commands that is read when poll says there is something.
#[derive(Debug, Default)]
pub struct Control {
    unread: Vec<u8>,
    ended: bool,
}

/// A line that is no command.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

impl Control {
    /// What to poll for reading; `None` when stdin has ended, which ends nothing else.
    pub fn source<'a>(&self, stdin: &'a std::io::Stdin) -> Option<BorrowedFd<'a>> {
        (!self.ended).then(|| stdin.as_fd())
    }

    /// Whether nobody can command any more.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads what there is, once: it does not block after poll said that there is something.
    pub fn read(&mut self, stdin: &std::io::Stdin) -> Vec<Result<Command, Unknown>> {
        let mut chunk = [0; 4096];
        match nix::unistd::read(stdin, &mut chunk) {
            Ok(0) | Err(_) => {
                self.ended = true;
                Vec::new()
            }
            Ok(length) => self.take_lines(&chunk[..length]),
        }
    }

    fn take_lines(&mut self, chunk: &[u8]) -> Vec<Result<Command, Unknown>> {
        self.unread.extend(chunk);
        let mut commands = Vec::new();
        while let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                commands.push(Command::parse(&line).ok_or_else(|| Unknown(line.trim().to_owned())));
            }
        }
        if self.unread.len() > MAX_LINE_BYTES {
            self.unread.clear();
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_however_they_arrive() {
        let mut control = Control::default();
        assert_eq!(control.take_lines(b"mute_vi"), []);
        let found = control.take_lines(b"deo\n\nchat hello there\nmark");
        let mute = Command::Mute {
            video: true,
            audio: false,
        };
        assert_eq!(
            found,
            [Ok(mute), Ok(Command::Chat("hello there".to_owned()))]
        );
        assert_eq!(
            control.take_lines(b"\n"),
            [Ok(Command::Mark(String::new()))]
        );
    }

    #[test]
    fn a_network_is_asked_for_in_words() {
        let down = Some("rate=500,loss=2".parse().unwrap());
        let found = Control::default().take_lines(b"network_down rate=500,loss=2\nnetwork_up x\n");
        let unknown = Err(Unknown("network_up x".to_owned()));
        assert_eq!(
            found,
            [
                Ok(Command::Path(Box::new(Network { up: None, down }))),
                unknown
            ]
        );
    }

    #[test]
    fn what_is_no_command_is_told() {
        let found = Control::default().take_lines(b"dance\n");
        assert_eq!(found, [Err(Unknown("dance".to_owned()))]);
    }
}
