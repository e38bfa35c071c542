//! Datagrams in batches, over real loopback sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use curtaincall_sfu::datagrams::{Datagram, Inbox, Outbox, RECEIVE_BATCH, Sent, runs};
use curtaincall_sfu::shard::MAX_DATAGRAM;

struct Plain {
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Datagram for Plain {
    fn to(&self) -> SocketAddr {
        self.to
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Datagrams of these lengths, each filled with its place.
fn plain(to: SocketAddr, lengths: &[usize]) -> Vec<Plain> {
    let fill = |(place, length): (usize, &usize)| Plain {
        to,
        bytes: vec![place as u8; *length],
    };
    lengths.iter().enumerate().map(fill).collect()
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn lengths(datagrams: &[Plain]) -> Vec<usize> {
    runs(datagrams).collect()
}

fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

/// Receive what was sent, in order, whole, and from whom.
fn expect(socket: &UdpSocket, sender: SocketAddr, sent: &[Plain]) {
    for datagram in sent {
        let mut buffer = [0; 2_048];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&datagram.bytes[..], sender));
    }
}

#[test]
fn equally_long_datagrams_to_one_address_form_a_run_that_a_shorter_one_ends() {
    let to = address(1);
    assert_eq!(lengths(&[]), Vec::<usize>::new());
    assert_eq!(lengths(&plain(to, &[100])), [1]);
    assert_eq!(lengths(&plain(to, &[100, 100, 100])), [3]);
    assert_eq!(lengths(&plain(to, &[100, 100, 60, 60])), [3, 1]);
    assert_eq!(lengths(&plain(to, &[60, 100, 100])), [1, 2]);
}

#[test]
fn another_address_begins_another_run() {
    let mut datagrams = plain(address(1), &[100, 100]);
    datagrams.extend(plain(address(2), &[100]));
    datagrams.extend(plain(address(1), &[100]));
    assert_eq!(lengths(&datagrams), [2, 1, 1]);
}

#[test]
fn a_run_stays_within_what_one_message_may_hold() {
    assert_eq!(lengths(&plain(address(1), &[100; 150])), [64, 64, 22]);
    let long = lengths(&plain(address(1), &[1_400; 64]));
    assert!(long.iter().all(|run| run * 1_400 <= 65_000), "{long:?}");
    assert_eq!(long.iter().sum::<usize>(), 64);
}

#[test]
fn a_batch_arrives_whole_and_in_order_with_and_without_segmentation() {
    for segmenting in [true, false] {
        let (from, sender) = socket();
        let ((one, first), (two, second)) = (socket(), socket());
        let mut batch = plain(first, &[1_200, 1_200, 1_200, 700]);
        batch.extend(plain(second, &[50, 1_200, 1_200]));
        let sent = Outbox::new(segmenting).send(&from, &batch);
        assert_eq!(sent, Sent { done: 7, left: 7 });
        expect(&one, sender, &batch[..4]);
        expect(&two, sender, &batch[4..]);
    }
}

#[test]
fn it_reaches_ipv6_addresses_too() {
    let Ok(from) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return; // A machine without IPv6.
    };
    let to = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    to.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let batch = plain(to.local_addr().unwrap(), &[300, 300]);
    assert_eq!(Outbox::default().send(&from, &batch).left, 2);
    expect(&to, from.local_addr().unwrap(), &batch);
    let mut inbox = Inbox::default();
    from.send_to(b"x", to.local_addr().unwrap()).unwrap();
    inbox.fill(&to);
    let received: Vec<_> = inbox.iter().collect();
    assert_eq!(received, [(from.local_addr().unwrap(), &b"x"[..])]);
}

#[test]
fn what_cannot_be_sent_is_lost_alone() {
    let (from, sender) = socket();
    let (to, at) = socket();
    let unreachable = SocketAddr::from((Ipv6Addr::LOCALHOST, 9)); // The socket speaks IPv4.
    let mut batch = plain(at, &[100]);
    batch.extend(plain(unreachable, &[100]));
    batch.extend(plain(at, &[100, 90]));
    let mut outbox = Outbox::default();
    let mut rest = &batch[..];
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let sent = outbox.send(&from, rest);
        steps.push(sent);
        rest = &rest[sent.done..];
    }
    let expected = [(1, 1), (1, 0), (2, 2)].map(|(done, left)| Sent { done, left });
    assert_eq!(steps, expected);
    batch.remove(1);
    expect(&to, sender, &batch);
}

#[test]
fn a_run_that_the_kernel_refuses_is_tried_one_by_one() {
    let (from, sender) = socket();
    let (to, at) = socket();
    let unreachable = SocketAddr::from((Ipv6Addr::LOCALHOST, 9));
    let mut batch = plain(unreachable, &[100, 100]);
    batch.extend(plain(at, &[100, 100]));
    let mut outbox = Outbox::default();
    let mut rest = &batch[..];
    let mut calls = 0;
    while !rest.is_empty() {
        rest = &rest[outbox.send(&from, rest).done..];
        calls += 1;
    }
    assert_eq!(calls, 4, "refused as a run, each alone, then the others");
    expect(&to, sender, &batch[2..]);
}

#[test]
fn a_full_inbox_says_that_there_may_be_more() {
    let (to, at) = socket();
    let (from, sender) = socket();
    let mut inbox = Inbox::default();
    assert!(!inbox.fill(&to));
    assert!(inbox.is_empty());
    let sent = plain(at, &[80; RECEIVE_BATCH + 3]);
    for datagram in &sent {
        from.send_to(&datagram.bytes, at).unwrap();
    }
    assert!(inbox.fill(&to));
    let received: Vec<_> = inbox.iter().map(|(from, bytes)| (from, bytes[0])).collect();
    let expected: Vec<_> = (0..RECEIVE_BATCH)
        .map(|place| (sender, place as u8))
        .collect();
    assert_eq!(received, expected);
    assert!(!inbox.fill(&to));
    assert_eq!(inbox.len(), 3);
}

#[test]
fn a_datagram_that_is_too_long_is_seen_to_be() {
    let (to, at) = socket();
    let (from, _) = socket();
    from.send_to(&[1; MAX_DATAGRAM + 200], at).unwrap();
    let mut inbox = Inbox::default();
    inbox.fill(&to);
    assert!(inbox.iter().all(|(_, bytes)| bytes.len() > MAX_DATAGRAM));
    assert_eq!(inbox.len(), 1);
}
