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
    fn slots_declare_no_ssrc() {
        assert_eq!(as_browsers_offer(SDP), SDP.replace("a=ssrc:2 x\r\n", ""));
    }
}
