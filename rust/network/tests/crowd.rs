//! A room of many on virtual time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::{Duration, Instant};

use curtaincall_network::crowd::{Crowd, run};
use curtaincall_network::peer::Sender;
use curtaincall_network::server::VirtualServer;

#[test]
fn everybody_sees_and_hears_everybody() {
    let crowd = Crowd {
        peers: 6,
        length: Duration::from_secs(5),
        narrow: Vec::new(),
        seed: 1,
        sender: Sender::Simple,
    };
    let now = Instant::now();
    let received = run(&crowd, now, VirtualServer::new(now).unwrap()).unwrap();
    for one in &received {
        println!("{}", one.figures());
        assert_eq!(one.unseen, 0);
        assert_eq!(one.dropped, 0);
        assert!(one.small_percent > 98.0);
        let is_speaker = one.peer == 0;
        assert!(is_speaker || (one.large_percent > 98.0 && one.large_layer > 1.9));
        assert!(is_speaker || one.sound_gaps == 0);
    }
}
