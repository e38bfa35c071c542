//! What a peer has received, by whom it was sent, and the figures of it. Pure: times are the packets' own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

use serde_json::{Value, json};
use str0m::media::{MediaKind, Mid};

use crate::sequence::Sequence;
use crate::signaling::Slot;

/// Silence that is listed as a gap, in microseconds.
const GAP_US: u64 = 200_000;
/// Most gaps that are listed; further ones are only counted.
const MAX_GAPS: usize = 1_000;
/// Under this name goes what came on a slot that TRACKS never gave to anybody.
const NOBODY: &str = "";

/// What a media packet is, as far as its header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A packet of media on a slot.
    Media { mid: Mid, kind: MediaKind },
    /// A packet of a slot's retransmission stream: media sent again, or padding.
    Resent { mid: Mid, kind: MediaKind },
    /// A packet of no known stream.
    Unknown,
}

/// The header of an SRTP packet that came.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    pub at_us: u64,
    pub ssrc: u32,
    pub number: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub bytes: usize,
}

/// The first packet of a kind from a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    pub at_us: u64,
    pub user: String,
    pub video: bool,
}

/// A run of packets.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    packets: u64,
    bytes: u64,
    first_us: Option<u64>,
    last_us: Option<u64>,
    longest_gap_us: u64,
}

impl Flow {
    /// Counts a packet and returns for how long there had been none.
    fn add(&mut self, at_us: u64, bytes: usize) -> u64 {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.first_us.get_or_insert(at_us);
        let gap_us = self
            .last_us
            .map_or(0, |last_us| at_us.saturating_sub(last_us));
        self.last_us = self.last_us.max(Some(at_us));
        self.longest_gap_us = self.longest_gap_us.max(gap_us);
        gap_us
    }

    fn join(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.first_us = self.first_us.into_iter().chain(other.first_us).min();
        self.last_us = self.last_us.max(other.last_us);
        self.longest_gap_us = self.longest_gap_us.max(other.longest_gap_us);
    }

    fn figures(&self) -> Value {
        json!({
            "packets": self.packets,
            "bytes": self.bytes,
            "first_packet_us": self.first_us,
            "last_packet_us": self.last_us,
            "longest_gap_us": self.longest_gap_us,
        })
    }
}

/// What came on one slot while it belonged to one user.
#[derive(Debug)]
struct Part {
    user: Option<String>,
    video: bool,
    flow: Flow,
    resent: u64,
    sequences: HashMap<u32, Sequence>,
    keyframes: u64,
    frames: u64,
    frames_broken: u64,
}

impl Part {
    fn new(user: Option<String>, kind: MediaKind) -> Self {
        Self {
            user,
            video: kind == MediaKind::Video,
            flow: Flow::default(),
            resent: 0,
            sequences: HashMap::new(),
            keyframes: 0,
            frames: 0,
            frames_broken: 0,
        }
    }

    fn lost(&self) -> u64 {
        self.sequences.values().map(Sequence::lost).sum()
    }
}

/// What has become of a frame that was put together from packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A picture that a decoder can begin with.
    Key,
    /// A frame that a decoder can make use of after what came before.
    Usable,
    /// A frame that is of no use: something before it is missing.
    Broken,
}

/// Everything that a peer has received.
#[derive(Debug, Default)]
pub struct Report {
    all: Flow,
    gaps: Vec<(u64, u64)>,
    gaps_unlisted: u64,
    owners: HashMap<Mid, String>,
    parts: Vec<Part>,
    current: HashMap<Mid, usize>,
    told: HashSet<(String, bool)>,
    news: bool,
}

impl Report {
    /// TRACKS has said whose slots are whose. What came on a slot before it had an owner is its first owner's.
    pub fn tracks(&mut self, slots: &[Slot]) {
        for slot in slots {
            let mid = Mid::from(slot.mid.as_str());
            let owner = slot.user_id.as_ref();
            if self.owners.get(&mid) == owner {
                continue;
            }
            match owner {
                Some(user) => self.owners.insert(mid, user.clone()),
                None => self.owners.remove(&mid),
            };
            match self.current.get(&mid).map(|&index| &mut self.parts[index]) {
                Some(part) if part.user.is_none() => part.user = owner.cloned(),
                _ => {
                    self.current.remove(&mid);
                }
            }
            self.news = true;
        }
    }

    /// Whose slot this is, by the latest TRACKS.
    pub fn owner(&self, mid: Mid) -> Option<&str> {
        self.owners.get(&mid).map(String::as_str)
    }

    /// Counts a packet of media.
    pub fn packet(&mut self, packet: Packet, role: Role) {
        let gap_us = self.all.add(packet.at_us, packet.bytes);
        if gap_us > GAP_US {
            if self.gaps.len() < MAX_GAPS {
                self.gaps.push((packet.at_us - gap_us, gap_us));
            } else {
                self.gaps_unlisted += 1;
            }
        }
        match role {
            Role::Media { mid, kind } => {
                let part = self.part(mid, kind);
                part.flow.add(packet.at_us, packet.bytes);
                part.sequences
                    .entry(packet.ssrc)
                    .or_default()
                    .arrived(packet.number);
            }
            Role::Resent { mid, kind } => self.part(mid, kind).resent += 1,
            Role::Unknown => {}
        }
    }

    /// Counts a frame that was put together from the packets with these numbers.
    pub fn frame(
        &mut self,
        mid: Mid,
        kind: MediaKind,
        numbers: &RangeInclusive<u64>,
        what: FrameKind,
    ) {
        let part = self.part(mid, kind);
        for sequence in part.sequences.values_mut() {
            sequence.recovered(numbers);
        }
        match what {
            FrameKind::Key => {
                part.keyframes += 1;
                part.frames += 1;
            }
            FrameKind::Usable => part.frames += 1,
            FrameKind::Broken => part.frames_broken += 1,
        }
    }

    fn part(&mut self, mid: Mid, kind: MediaKind) -> &mut Part {
        let index = *self.current.entry(mid).or_insert_with(|| {
            self.parts
                .push(Part::new(self.owners.get(&mid).cloned(), kind));
            self.news = true;
            self.parts.len() - 1
        });
        &mut self.parts[index]
    }

    /// The first packets, by user and kind, that were not told before.
    pub fn firsts(&mut self) -> Vec<First> {
        if !std::mem::take(&mut self.news) {
            return Vec::new();
        }
        let mut firsts = Vec::new();
        for part in &self.parts {
            if let (Some(user), Some(at_us)) = (&part.user, part.flow.first_us)
                && self.told.insert((user.clone(), part.video))
            {
                firsts.push(First {
                    at_us,
                    user: user.clone(),
                    video: part.video,
                });
            }
        }
        firsts
    }

    /// When the first packet of anybody's picture came.
    pub fn first_video_us(&self) -> Option<u64> {
        let videos = self.parts.iter().filter(|part| part.video);
        videos.filter_map(|part| part.flow.first_us).min()
    }

    /// All figures, as in the `summary` event.
    pub fn figures(&self) -> Value {
        let gaps: Vec<Value> = self
            .gaps
            .iter()
            .map(|(start_us, len_us)| json!({"start_us": start_us, "len_us": len_us}))
            .collect();
        let sum = |of: fn(&Part) -> u64| -> u64 { self.parts.iter().map(of).sum() };
        let mut figures = self.all.figures();
        let more = json!({
            "lost": sum(Part::lost),
            "resent": sum(|part| part.resent),
            "gaps": gaps,
            "gaps_unlisted": self.gaps_unlisted,
            "keyframes": sum(|part| part.keyframes),
            "frames": sum(|part| if part.video { part.frames } else { 0 }),
            "frames_broken": sum(|part| part.frames_broken),
            "per_source": self.per_source(),
        });
        if let (Value::Object(figures), Value::Object(more)) = (&mut figures, more) {
            figures.extend(more);
        }
        figures
    }

    fn per_source(&self) -> Value {
        let mut sources: BTreeMap<&str, (Flow, BTreeMap<&str, Vec<&Part>>)> = BTreeMap::new();
        for part in self.parts.iter().filter(|part| part.flow.packets > 0) {
            let user = part.user.as_deref().unwrap_or(NOBODY);
            let (whole, kinds) = sources.entry(user).or_default();
            whole.join(&part.flow);
            let kind = if part.video { "video" } else { "audio" };
            kinds.entry(kind).or_default().push(part);
        }
        sources
            .into_iter()
            .map(|(user, (whole, kinds))| {
                let mut figures = whole.figures();
                if let Value::Object(figures) = &mut figures {
                    // The gaps of sound and picture say more than those of both together.
                    figures.remove("longest_gap_us");
                    let lost: u64 = kinds.values().flatten().map(|part| part.lost()).sum();
                    figures.insert("lost".to_owned(), lost.into());
                    for (kind, parts) in kinds {
                        figures.insert(kind.to_owned(), kind_figures(&parts));
                    }
                }
                (user.to_owned(), figures)
            })
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

fn kind_figures(parts: &[&Part]) -> Value {
    let mut flow = Flow::default();
    let (mut lost, mut resent, mut keyframes, mut frames, mut broken) = (0, 0, 0, 0, 0);
    for part in parts {
        flow.join(&part.flow);
        lost += part.lost();
        resent += part.resent;
        keyframes += part.keyframes;
        frames += part.frames;
        broken += part.frames_broken;
    }
    let mut figures = flow.figures();
    if let Value::Object(figures) = &mut figures {
        figures.insert("lost".to_owned(), lost.into());
        figures.insert("frames".to_owned(), frames.into());
        if parts.iter().any(|part| part.video) {
            figures.insert("resent".to_owned(), resent.into());
            figures.insert("keyframes".to_owned(), keyframes.into());
            figures.insert("frames_broken".to_owned(), broken.into());
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(mid: &str, user: Option<&str>) -> Slot {
        Slot {
            mid: mid.to_owned(),
            user_id: user.map(str::to_owned),
        }
    }

    fn media(mid: &str, kind: MediaKind) -> Role {
        Role::Media {
            mid: Mid::from(mid),
            kind,
        }
    }

    fn packet(at_us: u64, number: u16) -> Packet {
        Packet {
            at_us,
            ssrc: 1,
            number,
            timestamp: 0,
            marker: false,
            bytes: 100,
        }
    }

    #[test]
    fn nothing_received_has_no_times() {
        let figures = Report::default().figures();
        assert_eq!(figures["packets"], 0);
        assert_eq!(figures["first_packet_us"], Value::Null);
    }

    #[test]
    fn silence_over_200_ms_is_listed_as_a_gap() {
        let mut report = Report::default();
        for (at_us, number) in [(1_000_000, 1), (1_200_000, 2), (1_500_000, 3)] {
            report.packet(packet(at_us, number), media("v", MediaKind::Video));
        }
        let figures = report.figures();
        assert_eq!(
            figures["gaps"],
            json!([{"start_us": 1_200_000, "len_us": 300_000}])
        );
        assert_eq!(figures["longest_gap_us"], 300_000);
        assert_eq!(figures["last_packet_us"], 1_500_000);
    }

    #[test]
    fn first_packets_are_told_once_and_only_when_their_user_is_known() {
        let mut report = Report::default();
        report.packet(packet(5, 1), media("v", MediaKind::Video));
        assert_eq!(report.firsts(), []);
        report.tracks(&[slot("v", Some("ann")), slot("a", None)]);
        let first = First {
            at_us: 5,
            user: "ann".to_owned(),
            video: true,
        };
        assert_eq!(report.firsts(), [first]);
        report.packet(packet(6, 2), media("v", MediaKind::Video));
        assert_eq!(report.firsts(), []);
    }

    #[test]
    fn a_slot_that_changes_hands_counts_for_each_user_apart() {
        let mut report = Report::default();
        report.tracks(&[slot("v", Some("ann"))]);
        report.packet(packet(10, 1), media("v", MediaKind::Video));
        report.packet(packet(20, 3), media("v", MediaKind::Video));
        report.tracks(&[slot("v", Some("bob"))]);
        report.packet(packet(30, 4), media("v", MediaKind::Video));
        let figures = report.figures();
        assert_eq!(figures["lost"], 1);
        assert_eq!(figures["per_source"]["ann"]["video"]["packets"], 2);
        assert_eq!(figures["per_source"]["ann"]["lost"], 1);
        assert_eq!(figures["per_source"]["bob"]["first_packet_us"], 30);
        assert_eq!(figures["per_source"]["bob"]["lost"], 0);
    }

    #[test]
    fn a_packet_sent_again_is_not_lost_once_its_frame_is_whole() {
        let mut report = Report::default();
        report.packet(packet(10, 1), media("v", MediaKind::Video));
        report.packet(packet(20, 3), media("v", MediaKind::Video));
        let mid = Mid::from("v");
        report.frame(mid, MediaKind::Video, &(1..=3), FrameKind::Key);
        let figures = report.figures();
        assert_eq!(
            (&figures["lost"], &figures["keyframes"], &figures["frames"]),
            (&json!(0), &json!(1), &json!(1))
        );
    }
}
