//! Who speaks, from the loudness that clients tell with each packet of sound (RFC 6464). Pure.
//!
//! Time is counted in *turns*, one every [`TURN`]. What a client says of its own loudness cannot be checked: one that
//! always shouts is heard as shouting.

use std::time::Duration;

/// How often it is decided who speaks.
pub const TURN: Duration = Duration::from_millis(250);

/// Sound below this is a room, not a voice.
const QUIET: Level = Level(-50);

/// Packets that sound is spread over at least, in a turn: those of 60 ms. One loud packet alone is a click.
const MIN_PACKETS: u32 = 4;

/// From this loudness on somebody speaks.
const SPEAKS: Loudness = Loudness::from_decibels(8);

/// Whoever cuts in on somebody speaking must be this much louder.
const CUTS_IN: Loudness = Loudness::from_decibels(6);

/// Turns in a row that somebody must be heard before the floor is theirs: a cough is shorter.
const TURNS_TO_TAKE: u8 = 2;

/// Turns in a row without a voice after which nobody speaks: people breathe.
const TURNS_TO_FALL_SILENT: u8 = 6;

/// Loudness of a packet in dBov, as the header extension has it: 0 is the loudest, -127 is silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub i8);

/// How far above the quiet somebody is, in sixteenths of a decibel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loudness(u32);

impl Loudness {
    pub const fn from_decibels(decibels: u32) -> Self {
        Self(decibels.saturating_mul(16))
    }
}

/// What is heard of one person.
#[derive(Clone, Copy, Debug, Default)]
pub struct Voice {
    packets: u32,
    sum: u32,
    loudness: Loudness,
}

impl Voice {
    /// A packet came. Costs next to nothing: it is on the packet path.
    pub fn heard(&mut self, level: Level) {
        let above = i32::from(level.0.min(0)) - i32::from(QUIET.0);
        self.packets = self.packets.saturating_add(1);
        self.sum = self.sum.saturating_add(above.max(0).unsigned_abs());
    }

    /// A turn is over. Returns the loudness, which half of the turns before are still in.
    pub fn turn(&mut self) -> Loudness {
        let heard = Loudness::from_decibels(self.sum).0 / self.packets.max(MIN_PACKETS);
        (self.packets, self.sum) = (0, 0);
        self.loudness = Loudness((self.loudness.0 + heard) / 2);
        self.loudness
    }
}

/// Who has the floor in a room.
#[derive(Clone, Copy, Debug)]
pub struct Floor<K> {
    speaker: Option<K>,
    last: Option<K>,
    rival: Option<(K, u8)>,
    quiet_turns: u8,
}

impl<K> Default for Floor<K> {
    fn default() -> Self {
        Self {
            speaker: None,
            last: None,
            rival: None,
            quiet_turns: 0,
        }
    }
}

impl<K: Copy + PartialEq> Floor<K> {
    /// Who speaks now.
    pub fn speaker(&self) -> Option<K> {
        self.speaker
    }

    /// Whoever spoke last, also when it has been quiet since.
    pub fn last(&self) -> Option<K> {
        self.last
    }

    /// A turn is over, in which these people were heard: everybody who is in the room, each once. Returns whether that
    /// changed who speaks.
    pub fn turn(&mut self, heard: &[(K, Loudness)]) -> bool {
        let before = self.speaker;
        let loudness = |of: K| {
            heard
                .iter()
                .find(|(who, _)| *who == of)
                .map(|(_, how)| *how)
        };
        if self.speaker.is_some_and(|who| loudness(who).is_none()) {
            self.speaker = None;
        }
        let speaker = self.speaker.and_then(loudness).unwrap_or_default();
        let speaks = speaker >= SPEAKS;
        self.quiet_turns = if speaks {
            0
        } else {
            self.quiet_turns.saturating_add(1)
        };
        let enough = if speaks {
            Loudness(speaker.0 + CUTS_IN.0)
        } else {
            SPEAKS
        };
        let rival = heard
            .iter()
            .filter(|(who, how)| Some(*who) != self.speaker && *how >= enough)
            .max_by_key(|(_, how)| *how)
            .map(|(who, _)| *who);
        self.rival = rival.map(|who| match self.rival {
            Some((same, turns)) if same == who => (who, turns + 1),
            _ => (who, 1),
        });
        if let Some((who, TURNS_TO_TAKE)) = self.rival {
            self.rival = None;
            self.quiet_turns = 0;
            self.speaker = Some(who);
        } else if self.quiet_turns >= TURNS_TO_FALL_SILENT {
            self.speaker = None;
        }
        self.last = self.speaker.or(self.last);
        self.speaker != before
    }
}
