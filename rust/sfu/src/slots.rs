//! Which source is on which slot of a subscriber. Pure.

use str0m::media::MediaKind;

/// A slot as the assignment sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<S> {
    pub kind: MediaKind,
    pub source: Option<S>,
}

/// A source that could be on a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered<S> {
    pub kind: MediaKind,
    pub source: S,
}

/// Empty the slots whose source is gone and put waiting sources, in their order, on free slots of their kind that
/// can carry them (`fits`: place index, source). A source that stays never moves. Returns whether anything changed.
pub fn assign<S: Copy + PartialEq>(
    places: &mut [Place<S>],
    offered: &[Offered<S>],
    fits: impl Fn(usize, S) -> bool,
) -> bool {
    let mut changed = false;
    for (index, place) in places.iter_mut().enumerate() {
        let Some(source) = place.source else { continue };
        let stays = offered
            .iter()
            .any(|offer| offer.source == source && offer.kind == place.kind);
        if !stays || !fits(index, source) {
            place.source = None;
            changed = true;
        }
    }
    for offer in offered {
        if places
            .iter()
            .any(|place| place.source == Some(offer.source))
        {
            continue;
        }
        let free = places.iter().enumerate().position(|(index, place)| {
            place.kind == offer.kind && place.source.is_none() && fits(index, offer.source)
        });
        if let Some(index) = free {
            places[index].source = Some(offer.source);
            changed = true;
        }
    }
    changed
}
