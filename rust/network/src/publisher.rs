//! What a publisher sends: three simulcast layers and sound, at the rates that its own estimate of its uplink allows, as
//! a browser does.

use std::time::{Duration, Instant};

use curtaincall_link::Random;

use crate::picture::{Encoder, PICTURE_EVERY, Size};

/// One simulcast layer: its rid, its picture, and the rates between which its encoder works.
#[derive(Clone, Copy, Debug)]
pub struct LayerPlan {
    pub rid: &'static str,
    pub size: Size,
    pub least_bits_per_s: u64,
    pub best_bits_per_s: u64,
}

/// What the page sends (`SlotConnection.ts`), and the least that browsers do with such a layer.
pub const LAYERS: [LayerPlan; 3] = [
    LayerPlan {
        rid: "l",
        size: Size {
            width: 426,
            height: 240,
        },
        least_bits_per_s: 30_000,
        best_bits_per_s: 180_000,
    },
    LayerPlan {
        rid: "m",
        size: Size {
            width: 852,
            height: 480,
        },
        least_bits_per_s: 150_000,
        best_bits_per_s: 700_000,
    },
    LayerPlan {
        rid: "h",
        size: Size {
            width: 1_280,
            height: 720,
        },
        least_bits_per_s: 600_000,
        best_bits_per_s: 2_200_000,
    },
];

/// With more than this waiting to leave, browsers drop pictures before they are encoded: of upper layers, then of all.
const DROPS_UPPER: Duration = Duration::from_millis(150);
const DROPS_ALL: Duration = Duration::from_millis(400);

/// Opus at 32 kbit/s.
pub const SOUND_EVERY: Duration = Duration::from_millis(20);
const SOUND_BYTES: usize = 80;

/// Someone silent sends a little now and then (DTX).
const SILENCE_EVERY: Duration = Duration::from_millis(400);
const SILENCE_BYTES: usize = 12;

/// What sound takes of the uplink, headers included.
const SOUND_BITS_PER_S: u64 = 64_000;

/// What headers take of the rest, in percent.
const HEADERS_PERCENT: u64 = 6;

/// All layers at their best, with sound and headers.
pub fn most_bits_per_s() -> u64 {
    let video: u64 = LAYERS.iter().map(|layer| layer.best_bits_per_s).sum();
    SOUND_BITS_PER_S + video * 100 / (100 - HEADERS_PERCENT)
}

/// The rates of the layers under an estimate: the lower ones first, each as well as it can be before the next one
/// begins. The lowest is never given up.
pub fn layer_rates(estimate_bits_per_s: u64) -> [Option<u64>; LAYERS.len()] {
    let budget = estimate_bits_per_s.saturating_sub(SOUND_BITS_PER_S);
    let mut left = budget * (100 - HEADERS_PERCENT) / 100;
    let mut rates = [None; LAYERS.len()];
    for (index, (rate, layer)) in rates.iter_mut().zip(LAYERS).enumerate() {
        if index > 0 && left < layer.least_bits_per_s {
            break;
        }
        let taken = left.clamp(layer.least_bits_per_s, layer.best_bits_per_s);
        *rate = Some(taken);
        left = left.saturating_sub(taken);
    }
    rates
}

/// A packet to be sent.
#[derive(Debug)]
pub struct Due {
    /// The layer of a picture; `None`: sound.
    pub layer: Option<usize>,
    /// In units of the media clock: 90 kHz or 48 kHz.
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
}

/// Camera and microphone of a peer.
#[derive(Debug)]
pub struct Publisher {
    began: Instant,
    encoders: Vec<Encoder>,
    wanted: [bool; LAYERS.len()],
    was_on: [bool; LAYERS.len()],
    pub estimate_bits_per_s: u64,
    /// Bytes that were encoded and have not left yet.
    pub unsent_bytes: usize,
    pub speaks: bool,
    index: u8,
    next_picture: Instant,
    pictures: u32,
    next_sound: Instant,
    sounds: u32,
}

impl Publisher {
    pub fn new(index: u8, now: Instant, began: Instant, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let encoder = |(layer, plan): (usize, &LayerPlan)| {
            Encoder::new(
                index,
                layer as u8,
                plan.size,
                plan.best_bits_per_s,
                seed ^ (layer as u64 + 1),
            )
        };
        // Cameras do not run in step.
        let phase = random.between(Duration::ZERO, PICTURE_EVERY);
        Self {
            began,
            encoders: LAYERS.iter().enumerate().map(encoder).collect(),
            wanted: [false; LAYERS.len()],
            was_on: [false; LAYERS.len()],
            estimate_bits_per_s: 0,
            unsent_bytes: 0,
            speaks: true,
            index,
            next_picture: now + phase,
            pictures: 0,
            next_sound: now + phase / 2,
            sounds: 0,
        }
    }

    pub fn deadline(&self) -> Instant {
        self.next_picture.min(self.next_sound)
    }

    /// Pictures captured so far.
    pub fn pictures(&self) -> u32 {
        self.pictures
    }

    /// Somebody wants a keyframe of the layer with this rid.
    pub fn keyframe_wanted(&mut self, rid: &str) {
        if let Some(index) = LAYERS.iter().position(|layer| layer.rid == rid) {
            self.wanted[index] = true;
        }
    }

    /// Everything that is due.
    pub fn take(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        while self.next_sound <= now {
            due.push(self.sound());
        }
        while self.next_picture <= now {
            self.picture(&mut due);
        }
        due
    }

    fn sound(&mut self) -> Due {
        let captured = self.next_sound - self.began;
        let (every, bytes) = if self.speaks {
            (SOUND_EVERY, SOUND_BYTES)
        } else {
            (SILENCE_EVERY, SILENCE_BYTES)
        };
        self.sounds += 1;
        self.next_sound += every;
        let mut payload = vec![0x78, self.index, u8::from(self.speaks)];
        payload.extend((captured.as_micros() as u64).to_be_bytes());
        payload.resize(payload.len().max(bytes), 0);
        Due {
            layer: None,
            timestamp: (captured.as_micros() as u64 * 48 / 1_000) as u32,
            marker: false,
            payload,
        }
    }

    fn drops(&self, layer: usize) -> bool {
        let bits = self.unsent_bytes as f64 * 8.0;
        let waits = Duration::from_secs_f64(bits / self.estimate_bits_per_s.max(10_000) as f64);
        waits > DROPS_ALL || (layer > 0 && waits > DROPS_UPPER)
    }

    fn picture(&mut self, due: &mut Vec<Due>) {
        let captured = self.next_picture - self.began;
        let timestamp = (captured.as_micros() as u64 * 90 / 1_000) as u32;
        self.next_picture += PICTURE_EVERY;
        let number = self.pictures;
        self.pictures += 1;
        let rates = layer_rates(self.estimate_bits_per_s);
        for (layer, rate) in rates.into_iter().enumerate() {
            let was_on = std::mem::replace(&mut self.was_on[layer], rate.is_some());
            let Some(rate) = rate.filter(|_| !self.drops(layer)) else {
                continue;
            };
            let keyframe = std::mem::take(&mut self.wanted[layer]) || !was_on;
            let payloads = self.encoders[layer].encode(number, captured, rate, keyframe);
            let last = payloads.len().saturating_sub(1);
            let packet = |(index, payload)| Due {
                layer: Some(layer),
                timestamp,
                marker: index == last,
                payload,
            };
            due.extend(payloads.into_iter().enumerate().map(packet));
        }
    }
}

/// A packet of sound as its receiver reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syllable {
    pub publisher: u8,
    pub speaks: bool,
    pub captured: Duration,
}

impl Syllable {
    /// Read a payload; `None` if it was not written by [`Publisher`].
    pub fn read(payload: &[u8]) -> Option<Self> {
        let captured: [u8; 8] = payload.get(3..11)?.try_into().ok()?;
        Some(Self {
            publisher: payload[1],
            speaks: payload[2] != 0,
            captured: Duration::from_micros(u64::from_be_bytes(captured)),
        })
        .filter(|_| payload[0] == 0x78)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_layers_come_first_and_the_lowest_stays() {
        assert_eq!(layer_rates(0), [Some(30_000), None, None]);
        assert_eq!(layer_rates(150_000), [Some(80_840), None, None]);
        let [low, middle, high] = layer_rates(600_000);
        assert_eq!((low, high), (Some(180_000), None));
        assert!(middle.is_some_and(|rate| (300_000..350_000).contains(&rate)));
        let best = LAYERS.map(|layer| Some(layer.best_bits_per_s));
        assert_eq!(layer_rates(most_bits_per_s() + 1_000), best);
    }

    #[test]
    fn a_speaker_sends_fifty_packets_a_second_and_thirty_pictures() {
        let start = Instant::now();
        let mut publisher = Publisher::new(1, start, start, 5);
        let due = publisher.take(start + Duration::from_secs(1));
        let sounds: Vec<_> = due.iter().filter(|due| due.layer.is_none()).collect();
        assert!((48..=51).contains(&sounds.len()), "{}", sounds.len());
        assert_eq!(
            Syllable::read(&sounds[0].payload).map(|it| it.publisher),
            Some(1)
        );
        let pictures = due.iter().filter(|due| due.marker).count();
        assert!((29..=31).contains(&pictures), "{pictures}");
    }
}
