//! Media over TCP connections to the media port, and over both families of addresses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

mod line;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::time::{Duration, Instant};

use curtaincall_sfu::shard::MAX_DATAGRAM;
use curtaincall_sfu::streams::{Deframer, NotFramed, STRANGER_PATIENCE};
use line::{Client, converse, engine, grant, lease, room};
use proptest::prelude::*;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// How long what was handed to the network before a cut may take to arrive on a busy machine.
const UNDER_WAY: Duration = Duration::from_millis(50);

/// Packets sent past a reader that stalls: 2.4 MB.
const PACKETS: usize = 2_000;

fn heard(client: &Client) -> usize {
    client.heard.len()
}

#[test]
fn media_flows_between_udp_and_tcp() {
    let engine = engine("127.0.0.1", &[]);
    grant(&engine, 1);
    let mut fan = Client::over_tcp(&engine, "fan", V4);
    let mut star = Client::over_udp(&engine, "star", V4);
    converse(&mut [&mut fan, &mut star], |clients| {
        clients.iter().all(|client| heard(client) >= 20)
    });
    assert_eq!(engine.ports().len(), 1);
}

#[test]
fn a_revocation_cuts_tcp_and_resets_it() {
    let engine = engine("127.0.0.1", &[]);
    grant(&engine, 1);
    let mut fan = Client::over_tcp(&engine, "fan", V4);
    let mut star = Client::over_udp(&engine, "star", V4);
    converse(&mut [&mut fan, &mut star], |clients| {
        heard(clients[0]) >= 20
    });
    engine.revoke(room(), lease()).unwrap();
    let revoked_at = Instant::now();
    converse(&mut [&mut fan, &mut star], |clients| {
        clients[0].closed_at.is_some()
    });
    let last = *fan.heard.last().unwrap();
    assert!(
        last < revoked_at + UNDER_WAY,
        "{:?} late",
        last - revoked_at
    );
    // Who may go on connects again.
    grant(&engine, 2);
    fan.dial_again(&engine);
    let before = heard(&fan);
    converse(&mut [&mut fan, &mut star], |clients| {
        heard(clients[0]) >= before + 20
    });
}

#[test]
fn who_loses_a_connection_goes_on_over_another() {
    let engine = engine("127.0.0.1", &[]);
    grant(&engine, 1);
    let mut fan = Client::over_tcp(&engine, "fan", V4);
    let mut star = Client::over_tcp(&engine, "star", V4);
    converse(&mut [&mut fan, &mut star], |clients| {
        clients.iter().all(|client| heard(client) >= 20)
    });
    fan.dial_again(&engine);
    let before = heard(&fan);
    converse(&mut [&mut fan, &mut star], |clients| {
        heard(clients[0]) >= before + 20
    });
}

#[test]
fn a_reader_that_stalls_holds_nobody_up_and_gets_nothing_after_a_cut() {
    let engine = engine("127.0.0.1", &[]);
    grant(&engine, 1);
    let mut star = Client::over_udp(&engine, "star", V4);
    let mut stalled = Client::over_tcp(&engine, "stalled", V4);
    let mut fan = Client::over_udp(&engine, "fan", V4);
    converse(&mut [&mut star, &mut stalled, &mut fan], |clients| {
        clients.iter().all(|client| heard(client) >= 20)
    });
    // Far more than the buffers of both ends hold; paced so that the loopback interface loses none of the fan's.
    let before = heard(&fan);
    for sent in 1..=PACKETS {
        star.send(1_200);
        star.turn();
        stalled.stall();
        converse(&mut [&mut fan], |clients| {
            heard(clients[0]) >= before + sent
        });
    }
    engine.revoke(room(), lease()).unwrap();
    converse(&mut [&mut stalled], |clients| {
        clients[0].closed_at.is_some()
    });
    // What had arrived before the cut is read now: far less than was sent.
    assert!(heard(&stalled) < PACKETS / 2, "{} arrived", heard(&stalled));
}

#[test]
fn one_port_serves_both_families() {
    let engine = engine("::", &["127.0.0.1", "::1"]);
    grant(&engine, 1);
    let mut clients = [
        Client::over_udp(&engine, "a", V4),
        Client::over_udp(&engine, "b", V6),
        Client::over_tcp(&engine, "c", V4),
        Client::over_tcp(&engine, "d", V6),
    ];
    let [a, b, c, d] = &mut clients;
    converse(&mut [a, b, c, d], |clients| {
        clients.iter().all(|client| heard(client) >= 20)
    });
}

#[test]
fn who_does_not_speak_the_framing_is_hung_up_on_at_once() {
    let engine = engine("127.0.0.1", &[]);
    let mut stream = TcpStream::connect((V4, engine.ports()[0])).unwrap();
    stream.set_read_timeout(Some(line::PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let began = Instant::now();
    let read = stream.read(&mut [0; 16]);
    assert!(!matches!(read, Ok(1..)), "{read:?}");
    assert!(began.elapsed() < STRANGER_PATIENCE);
}

#[test]
fn who_stays_a_stranger_is_hung_up_on_and_takes_nobodys_place() {
    let engine = engine("127.0.0.1", &[]);
    grant(&engine, 1);
    let mut idle: Vec<_> = (0..200)
        .map(|_| TcpStream::connect((V4, engine.ports()[0])).unwrap())
        .collect();
    let mut fan = Client::over_tcp(&engine, "fan", V4);
    let mut star = Client::over_tcp(&engine, "star", V4);
    converse(&mut [&mut fan, &mut star], |clients| {
        clients.iter().all(|client| heard(client) >= 20)
    });
    for stream in &mut idle {
        stream.set_read_timeout(Some(line::PATIENCE)).unwrap();
        assert!(!matches!(stream.read(&mut [0; 16]), Ok(1..)));
    }
    let before = heard(&fan);
    converse(&mut [&mut fan, &mut star], |clients| {
        heard(clients[0]) > before
    });
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    [&(datagram.len() as u16).to_be_bytes(), datagram].concat()
}

#[test]
fn a_frame_that_is_too_long_is_no_frame() {
    let too_long = (MAX_DATAGRAM as u16 + 1).to_be_bytes();
    assert_eq!(Deframer::default().push(&too_long, |_| {}), Err(NotFramed));
    let mut deframer = Deframer::default();
    assert_eq!(deframer.push(&too_long[..1], |_| {}), Ok(()));
    assert_eq!(deframer.push(&too_long[1..], |_| {}), Err(NotFramed));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn datagrams_come_out_of_a_stream_however_it_is_cut(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..MAX_DATAGRAM), 1..8),
        cuts in prop::collection::vec(1..2_000_usize, 1..40),
    ) {
        let stream: Vec<u8> = datagrams.iter().flat_map(|datagram| frame(datagram)).collect();
        let mut deframer = Deframer::default();
        let mut given = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (head, behind) = rest.split_at((*cut).min(rest.len()));
            deframer.push(head, |datagram| given.push(datagram.to_vec())).unwrap();
            rest = behind;
        }
        prop_assert_eq!(given, datagrams);
    }
}
