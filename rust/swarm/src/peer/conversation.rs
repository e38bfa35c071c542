//! A peer's side of the signaling: what it makes of the server's messages, and its offers.

use serde_json::{Value, json};

use super::Peer;
use crate::connection::{Connection, Wishes};
use crate::error::SwarmError;
use crate::signaling::{Heard, Slot};

/// Most messages that are taken in before media has its turn.
const MESSAGES_PER_TURN: usize = 256;
/// After TERMINATE_CALL the server closes the connection within 2 s; a peer waits a little longer for that.
const TERMINATED_LINGER_US: u64 = 3_000_000;
/// When signaling is gone, media is listened to for this long: what still comes then is worth knowing.
pub(super) const SEVERED_LINGER_US: u64 = 2_000_000;
/// For the server's answer to the goodbye.
const LEAVING_LINGER_US: u64 = 1_000_000;

impl Peer<'_> {
    /// Says goodbye and ends soon.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        self.signaling.send(&json!({"type": "LEAVE_ROOM"}));
        self.stop_media();
        self.signaling.close();
        self.end_within(LEAVING_LINGER_US);
    }

    /// Takes in the messages that have come; returns whether there may be more.
    pub(super) fn hear_all(&mut self) -> bool {
        if self.signaling.is_unsent() {
            self.signaling.flush();
        }
        let heard: Vec<Heard> = std::iter::from_fn(|| self.signaling.hear())
            .take(MESSAGES_PER_TURN)
            .collect();
        let more = heard.len() == MESSAGES_PER_TURN;
        for heard in heard {
            match heard {
                Heard::Message(message) => self.listen(message),
                Heard::Closed { code } => self.severed(code),
            }
        }
        more
    }

    fn severed(&mut self, code: u16) {
        self.events.tell("closed", json!({"code": code}));
        if self.leaving || self.terminated || self.connection.is_none() {
            self.end_within(0);
        } else if !self.join.stays_after_terminate {
            self.end_within(SEVERED_LINGER_US);
        }
    }

    fn listen(&mut self, message: Value) {
        match message["type"].as_str() {
            Some("JOINED") => {
                let (role, participants) = (&message["role"], &message["participants"]);
                self.events.tell(
                    "joined",
                    json!({"role": role, "participants": participants}),
                );
                self.joined = true;
                self.offer();
            }
            Some("ANSWER") => self.take_answer(message["sdp"].as_str().unwrap_or_default()),
            Some("TRACKS") => {
                self.events
                    .tell("tracks", json!({"slots": &message["slots"]}));
                match serde_json::from_value::<Vec<Slot>>(message["slots"].clone()) {
                    Ok(slots) => {
                        self.reception.tracks(&slots);
                        self.ask_for_heights(&slots);
                    }
                    Err(error) => self.tell_error("bad_message", &error.to_string()),
                }
            }
            Some("SESSION") => self.events.tell("session", json!({"message": message})),
            Some("LOW_BALANCE") => self.events.tell("low_balance", json!({"message": message})),
            Some("TERMINATE_CALL") => {
                let fields =
                    json!({"reason": &message["reason"], "redirect_url": &message["redirectUrl"]});
                self.events.tell("terminate", fields);
                if !self.join.stays_after_terminate {
                    self.terminated = true;
                    self.stop_media();
                    self.end_within(TERMINATED_LINGER_US);
                }
            }
            Some("ERROR") => {
                let fields = json!({"code": &message["code"], "message": &message["message"]});
                self.events.tell("error", fields);
            }
            _ => self.events.tell("message", json!({"message": message})),
        }
    }

    /// Says how large the pictures of those who are new should be.
    fn ask_for_heights(&mut self, slots: &[Slot]) {
        let Some(heights) = &self.join.heights else {
            return;
        };
        for user in slots.iter().filter_map(|slot| slot.user_id.as_ref()) {
            if !self.asked.insert(user.clone()) {
                continue;
            }
            let (height, priority) = if *user == heights.speaker {
                (heights.of_speaker, 1)
            } else {
                (heights.of_others, 0)
            };
            self.signaling.send(&json!({
                "type": "SET_SUBSCRIPTION", "userId": user, "maxHeight": height, "priority": priority
            }));
        }
    }

    /// Makes a new connection, in place of one that there may be, and offers it.
    pub(super) fn offer(&mut self) {
        self.publisher.stop();
        self.media_failed = false;
        if let Some(replaced) = self.connection.take() {
            self.sent_before = self.sent();
            drop(replaced);
        }
        let offer = self
            .signaling
            .local_ip()
            .map_err(SwarmError::from)
            .and_then(|ip| {
                let wishes = Wishes {
                    ip,
                    own: self.publisher.offered(),
                    slots: self.join.slots,
                    video: self.join.video.clone(),
                    decrypt_one_in: self.join.decrypt_one_in,
                };
                Connection::offer(&wishes, self.epoch)
            });
        match offer {
            Ok((mut connection, sdp)) => {
                connection.set_network(self.network);
                connection.set_path(self.join.path);
                self.connection = Some(connection);
                self.signaling.send(&json!({"type": "OFFER", "sdp": sdp}));
            }
            Err(error) => {
                self.tell_error("negotiation", &error.to_string());
                self.leave();
            }
        }
    }

    fn take_answer(&mut self, sdp: &str) {
        self.events.tell("answer", json!({}));
        let mut news = Vec::new();
        if let Some(connection) = &mut self.connection
            && let Err(error) = connection.answer(sdp, &mut news)
        {
            self.tell_error("bad_answer", &error.to_string());
        }
        self.take_in(news);
    }
}
