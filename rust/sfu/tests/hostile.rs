//! Whatever comes from the network harms nobody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

mod common;

use std::cell::RefCell;
use std::net::SocketAddr;

use common::{World, ms, user};
use curtaincall_sfu::error::SfuError;
use curtaincall_sfu::peer::{Drained, Gone, Peer};
use curtaincall_sfu::sdp::{MAX_OFFER_BYTES, Offer};
use proptest::prelude::*;
use str0m::Rtc;
use str0m::media::{Direction, MediaKind};

const FAN: usize = 0;
const STAR: usize = 1;

fn open_call() -> World {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(3_600_000));
    world.publish_all(&[FAN, STAR], ms(300));
    world
}

fn stranger() -> SocketAddr {
    "203.0.113.7:4444".parse().unwrap()
}

/// The fan still receives every packet of the star.
fn assert_unharmed(world: &mut World) {
    let before = world.clients[FAN].audio_received().len();
    world.publish_all(&[FAN, STAR], ms(660));
    world.run(ms(50));
    let received = world.clients[FAN].audio_received().len() - before;
    assert!(received >= 20, "received {received}");
    assert_eq!(world.transport_states("fan"), [true]);
    assert_eq!(world.transport_states("star"), [true]);
}

/// What a client of ours would offer.
fn offer() -> String {
    let mut rtc = Rtc::builder()
        .set_rtp_mode(true)
        .build(std::time::Instant::now());
    let mut changes = rtc.sdp_api();
    changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
    changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    changes.apply().unwrap().0.to_sdp_string()
}

#[test]
fn a_flood_from_a_stranger_is_refused() {
    let mut world = open_call();
    let before = world.shard.counters().packets_refused;
    (0..10_000_u32).for_each(|index| {
        let mut rtp = vec![0x80, 96];
        rtp.extend(index.to_be_bytes().repeat(20));
        world.inject(stranger(), &rtp);
    });
    assert_eq!(world.shard.counters().packets_refused, before + 10_000);
    assert_unharmed(&mut world);
}

#[test]
fn garbage_from_a_peers_own_address_harms_not_even_the_peer() {
    let mut world = open_call();
    let address = world.clients[STAR].address;
    for first in 0..=255_u8 {
        for length in [1, 2, 12, 40, 1_200] {
            world.inject(address, &vec![first; length]);
        }
    }
    assert_unharmed(&mut world);
}

#[test]
fn packets_with_unknown_streams_are_limited_and_disturb_nothing() {
    let mut world = open_call();
    let address = world.clients[STAR].address;
    let before = world.shard.counters().packets_refused;
    for ssrc in 0..5_000_u32 {
        let mut rtp = vec![0x90, 96, 0, 1, 0, 0, 0, 0];
        rtp.extend((0xdead_0000 + ssrc).to_be_bytes());
        // The mid of the star's own tracks, in clear.
        rtp.extend([0xbe, 0xde, 0, 1, 0x40, b'0', 0, 0]);
        rtp.extend([0; 40]);
        world.inject(address, &rtp);
    }
    assert!(world.shard.counters().packets_refused > before + 4_000);
    assert_unharmed(&mut world);
}

#[test]
fn a_payload_that_is_too_long_is_dropped() {
    let mut world = open_call();
    world.run(ms(50));
    let now = world.now;
    let before = world.clients[FAN].video_received().len();
    world.clients[STAR].send_video(now, None, true, 1_450);
    world.run(ms(50));
    assert_eq!(world.clients[FAN].video_received().len(), before);
    assert_unharmed(&mut world);
}

#[test]
fn an_offer_tells_what_it_lacks() {
    let good = offer();
    assert!(Offer::parse(&good).is_ok());
    let without = |what: &str| {
        let kept: Vec<_> = good.lines().filter(|line| !line.contains(what)).collect();
        Offer::parse(&(kept.join("\r\n") + "\r\n")).unwrap_err()
    };
    assert_eq!(
        without("a=ice-ufrag"),
        SfuError::SdpInvalid("ICE is missing")
    );
    assert_eq!(
        without("a=group:BUNDLE"),
        SfuError::SdpInvalid("BUNDLE is required")
    );
    assert_eq!(
        without("a=rtcp-mux"),
        SfuError::SdpInvalid("rtcp-mux is required")
    );
    assert_eq!(
        without("a=fingerprint"),
        SfuError::SdpInvalid("the DTLS fingerprint is missing")
    );
    assert_eq!(
        without("sdes:mid"),
        SfuError::SdpInvalid("the sdes:mid header extension is required")
    );
    assert_eq!(without("m="), SfuError::SdpInvalid("there is no media"));
}

#[test]
fn an_endless_offer_is_refused_unread() {
    assert!(Offer::parse(&"a".repeat(MAX_OFFER_BYTES + 1)).is_err());
}

#[test]
fn an_offer_with_too_much_in_it_is_refused() {
    let mut rtc = Rtc::builder()
        .set_rtp_mode(true)
        .build(std::time::Instant::now());
    let mut changes = rtc.sdp_api();
    (0..5).for_each(|_| {
        changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    });
    let offer = changes.apply().unwrap().0.to_sdp_string();
    assert_eq!(
        Offer::parse(&offer).unwrap_err(),
        SfuError::SdpInvalid("too many own tracks")
    );
}

#[test]
fn a_bad_offer_of_a_running_session_leaves_it_running() {
    let mut world = open_call();
    assert!(world.answer(&user("fan"), "v=0\r\n").is_err());
    let mangled = offer().replace("a=mid:", "a=mid:x");
    let _ = world.answer(&user("nobody"), &mangled);
    assert_unharmed(&mut world);
}

/// Bytes that look like one of the protocols, or like nothing.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![0_u8..4, 20_u8..64, 128_u8..192, any::<u8>()];
    (first, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    })
}

/// Changes to a real packet.
fn mutation() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_datagrams_whatever_do_harm(datagrams in prop::collection::vec(datagram(), 1..100)) {
        let mut world = open_call();
        let peer = world.clients[STAR].address;
        for datagram in &datagrams {
            world.inject(stranger(), datagram);
            world.inject(peer, datagram);
        }
        assert_unharmed(&mut world);
    }

    #[test]
    fn no_mutation_of_real_packets_does_harm(mutations in prop::collection::vec(mutation(), 1..60)) {
        let mut world = open_call();
        let address = world.clients[STAR].address;
        let real = RefCell::new(Vec::new());
        world.tap(STAR, &real);
        for (index, changes) in mutations.iter().enumerate() {
            let packets = real.borrow();
            let Some(mut bytes) = packets.get(index % packets.len().max(1)).cloned() else { continue };
            for (place, value) in changes {
                let place = place.index(bytes.len());
                bytes[place] = *value;
            }
            world.inject(address, &bytes);
            world.inject(stranger(), &bytes);
        }
        assert_unharmed(&mut world);
    }

    #[test]
    fn no_offer_whatever_does_harm(cut in any::<prop::sample::Index>(), changes in mutation()) {
        let mut bytes = offer().into_bytes();
        for (place, value) in &changes {
            let place = place.index(bytes.len());
            bytes[place] = *value & 0x7f;
        }
        bytes.truncate(cut.index(bytes.len()) + bytes.len() / 2);
        if let Ok(text) = String::from_utf8(bytes) {
            let mut world = World::new();
            world.open_seat("fan");
            let _ = world.answer(&user("fan"), &text);
            world.run(ms(100));
        }
    }
}

#[test]
fn a_session_that_panics_is_not_touched_again() {
    let now = std::time::Instant::now();
    let mut peer = Peer::new(Rtc::builder().build(now), now);
    let bug: Result<(), Gone> = peer.with(|_| std::panic::panic_any("a bug in the session"));
    assert_eq!(bug, Err(Gone));
    assert_eq!(peer.with(|_| ()), Err(Gone));
    assert_eq!(peer.elapse(now, &mut Drained::default()), Err(Gone));
    peer.dispose();
}
