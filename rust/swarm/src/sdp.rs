//! Offers as text.

/// Browsers declare no SSRCs for slots and for simulcast; str0m does, and a server must not come to rely on it.
pub fn as_browsers_offer(sdp: &str) -> String {
    let mut out = String::with_capacity(sdp.len());
    for section in sections(sdp) {
        let undeclared = section.contains("\na=recvonly") || section.contains("\na=simulcast:");
        for line in section.split_inclusive('\n') {
            if !(undeclared && line.starts_with("a=ssrc")) {
                out.push_str(line);
            }
        }
    }
    out
}

/// An offer that asks for nothing to be sent again and acknowledges nothing: for a peer that does not look at all
/// packets, and so cannot tell which are missing.
pub fn without_feedback(sdp: &str) -> String {
    let is_feedback = |line: &&str| {
        let line = line.trim_end();
        let is_nack = line.starts_with("a=rtcp-fb:") && line.ends_with(" nack");
        is_nack || line.ends_with(" transport-cc") || line.contains("transport-wide-cc")
    };
    sdp.split_inclusive('\n')
        .filter(|line| !is_feedback(line))
        .collect()
}

/// An SDP's session part, then its media descriptions.
pub fn sections(sdp: &str) -> Vec<&str> {
    let mut starts = vec![0];
    starts.extend(sdp.match_indices("\nm=").map(|(at, _)| at + 1));
    starts.push(sdp.len());
    starts
        .windows(2)
        .map(|pair| &sdp[pair[0]..pair[1]])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str =
        "v=0\r\nm=audio 9\r\na=sendonly\r\na=ssrc:1 x\r\nm=audio 9\r\na=recvonly\r\na=ssrc:2 x\r\n";

    #[test]
    fn sections_are_the_whole_text() {
        assert_eq!(sections(SDP).concat(), SDP);
        assert_eq!(sections(SDP).len(), 3);
        assert_eq!(sections(""), [""]);
    }

    #[test]
    fn an_offer_without_feedback_still_asks_for_keyframes() {
        let sdp = "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 transport-cc\r\n\
            a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
        assert_eq!(without_feedback(sdp), "a=rtcp-fb:96 nack pli\r\n");
    }

    #[test]
    fn slots_declare_no_ssrc() {
        assert_eq!(as_browsers_offer(SDP), SDP.replace("a=ssrc:2 x\r\n", ""));
    }
}
