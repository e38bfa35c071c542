//! Whatever may come from the network: from a stranger, and from a participant whose packets are authentic and whose
//! intentions are not. Nothing panics, and two others hear each other as before.
//!
//! An input is a row of parts (see [`crate::SEPARATOR`]), each a byte that says what happens and the bytes it happens
//! with.

use std::net::SocketAddr;
use std::time::Duration;

use curtaincall_sfu::allocator::{Height, Wish};
use curtaincall_sfu::command::Command;
use curtaincall_sfu::units::{RoomId, UserId};

use crate::parts;
use crate::stage::{HOSTILE, Stage, address};
use crate::wire::{Media, protect_rtcp, protect_rtp};

/// Longest time that passes at once: a whole input stays below the time after which the others count as lost.
const STEP: Duration = Duration::from_millis(4);

/// What happens with the bytes of a part. As letters, so that an input can be read.
mod act {
    /// An authentic packet of media.
    pub const MEDIA: u8 = b'm';
    /// An authentic report.
    pub const REPORT: u8 = b'r';
    /// A datagram as it is.
    pub const RAW: u8 = b'h';
    /// A datagram as it is, in a frame of a TCP connection.
    pub const FRAME: u8 = b't';
    /// A check over TCP: from then on the session is reached there too.
    pub const CHECK_OVER_TCP: u8 = b'T';
    /// The TCP connection is gone.
    pub const HANG_UP: u8 = b'x';
    /// A datagram from somewhere else; the first byte says where.
    pub const STRANGER: u8 = b's';
    /// Nothing for a while.
    pub const WAIT: u8 = b'w';
    /// A check, so that the hostile one counts as present.
    pub const CHECK: u8 = b'c';
    /// The listener wishes this height of the hostile one's picture, as a `SET_SUBSCRIPTION` would.
    pub const WISH: u8 = b'l';
}

pub fn run(input: &[u8]) {
    let mut stage = Stage::new();
    let camera = match input.first() {
        Some(b'1') => Media::Camera,
        _ => Media::SimulcastCamera,
    };
    stage.join(
        HOSTILE,
        &[
            Media::Microphone,
            camera,
            Media::AudioSlot,
            Media::VideoSlot,
        ],
    );
    let mut reports = 0;
    for part in parts(input.get(1..).unwrap_or_default()) {
        let Some((act, bytes)) = part.split_first() else {
            continue;
        };
        play(&mut stage, *act, bytes, &mut reports);
    }
    stage.assert_unharmed();
}

fn play(stage: &mut Stage, act: u8, bytes: &[u8], reports: &mut u32) {
    match act {
        act::MEDIA => stage.receive(address(HOSTILE), &protect_rtp(bytes.to_vec())),
        act::REPORT => {
            *reports += 1;
            stage.receive(address(HOSTILE), &protect_rtcp(bytes.to_vec(), *reports));
        }
        act::RAW => stage.receive(address(HOSTILE), bytes),
        act::FRAME => stage.receive_frame(address(HOSTILE), bytes),
        act::CHECK_OVER_TCP => stage.check_over_tcp(address(HOSTILE)),
        act::HANG_UP => stage.hang_up(address(HOSTILE)),
        act::STRANGER => {
            let (place, bytes) = bytes.split_first().unwrap_or((&0, &[]));
            stage.receive(SocketAddr::from(([203, 0, 113, *place], 4_444)), bytes);
        }
        act::WAIT => {
            let steps = bytes.first().copied().unwrap_or(1);
            stage.pass(STEP * u32::from(steps));
        }
        act::CHECK => stage.check(address(HOSTILE)),
        act::WISH => wish(stage, bytes),
        _ => {}
    }
}

fn wish(stage: &mut Stage, bytes: &[u8]) {
    let max_height = u16::from(bytes.first().copied().unwrap_or(0)) * 8;
    stage.obey(Command::Subscribe {
        room: RoomId::new("room"),
        user: UserId::new("listener"),
        of: UserId::new(HOSTILE),
        wish: Wish {
            max_height: Height(max_height),
            priority: bytes.get(1).copied().unwrap_or(0),
        },
    });
}
