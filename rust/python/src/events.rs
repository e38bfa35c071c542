//! Events as tuples: kind, number, at_us, room, then what the kind has to say (see `_native.pyi`).

use curtaincall_sfu::allocator::Why;
use curtaincall_sfu::event::{Event, SlotState, What};
use curtaincall_sfu::lease::{Cause, Ended};
use curtaincall_sfu::stats::{Flow, Stats};
use curtaincall_sfu::units::{ClockAnchor, EventNumber, UserId, whole_micros};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyAny;

/// Convert one event.
pub fn to_python<'py>(
    py: Python<'py>,
    anchor: ClockAnchor,
    number: EventNumber,
    event: &Event,
) -> PyResult<Bound<'py, PyAny>> {
    let (number, at_us, room) = (number.0, anchor.micros(event.at).0, event.room.as_str());
    match &event.what {
        What::TracksChanged { user, slots } => {
            let slots: Vec<_> = slots.iter().map(slot).collect();
            ("tracks_changed", number, at_us, room, user.as_str(), slots).into_bound_py_any(py)
        }
        What::TransportChanged { user, connected } => (
            "transport_changed",
            number,
            at_us,
            room,
            user.as_str(),
            *connected,
        )
            .into_bound_py_any(py),
        What::SpeakerChanged { user, speaker } => (
            "speaker_changed",
            number,
            at_us,
            room,
            user.as_str(),
            speaker.as_ref().map(UserId::as_str),
        )
            .into_bound_py_any(py),
        What::StatsSampled { user, stats } => (
            "stats_sampled",
            number,
            at_us,
            room,
            user.as_str(),
            link(stats),
        )
            .into_bound_py_any(py),
        What::MediaFlowing { lease, epoch } => (
            "media_flowing",
            number,
            at_us,
            room,
            lease.as_str(),
            epoch.0,
        )
            .into_bound_py_any(py),
        What::MeterRead {
            lease,
            billable,
            running,
        } => (
            "meter_read",
            number,
            at_us,
            room,
            lease.as_str(),
            whole_micros(*billable),
            *running,
        )
            .into_bound_py_any(py),
        What::LeaseEnded { lease, ended } => {
            lease_ended(py, anchor, (number, at_us, room), lease.as_str(), ended)
        }
    }
}

fn lease_ended<'py>(
    py: Python<'py>,
    anchor: ClockAnchor,
    (number, at_us, room): (u64, u64, &str),
    lease: &str,
    ended: &Ended,
) -> PyResult<Bound<'py, PyAny>> {
    let cause = match ended.cause {
        Cause::Quota => "quota",
        Cause::Lapsed => "lapsed",
        Cause::Revoked => "revoked",
        Cause::Closed => "closed",
    };
    let last_forward_us = ended.last_forward.map_or(0, |at| anchor.micros(at).0);
    (
        "lease_ended",
        number,
        at_us,
        room,
        lease,
        cause,
        ended.epoch.0,
        whole_micros(ended.billable),
        anchor.micros(ended.deadline).0,
        last_forward_us,
        ended.packets_after_deadline,
    )
        .into_bound_py_any(py)
}

type SlotTuple<'a> = (
    String,
    &'static str,
    Option<&'a str>,
    Option<&'static str>,
    Option<u16>,
    Option<&'static str>,
);

fn slot(slot: &SlotState) -> SlotTuple<'_> {
    let kind = if slot.kind.is_audio() {
        "audio"
    } else {
        "video"
    };
    let from = slot.from.as_ref();
    let paused = slot.paused.map(|why| match why {
        Why::Bandwidth => "bandwidth",
        Why::Subscription => "subscription",
        Why::Lease => "lease",
    });
    (
        slot.mid.to_string(),
        kind,
        from.map(|(user, _)| user.as_str()),
        from.map(|(_, source)| source.as_str()),
        slot.height.map(|height| height.0),
        paused,
    )
}

type FlowTuple = (u64, Option<u16>, Option<u64>);
type SlotStatsTuple = (String, Option<u16>, u64, u64, u64);

fn link(
    stats: &Stats,
) -> (
    Option<u64>,
    Option<u64>,
    FlowTuple,
    FlowTuple,
    Vec<SlotStatsTuple>,
) {
    let slots = stats.slots.iter().map(|slot| {
        (
            slot.mid.to_string(),
            slot.height.map(|height| height.0),
            slot.rate.0,
            slot.freezes.count,
            whole_micros(slot.freezes.length),
        )
    });
    (
        stats.rtt.map(whole_micros),
        stats.estimate.map(|rate| rate.0),
        flow(&stats.up),
        flow(&stats.down),
        slots.collect(),
    )
}

fn flow(flow: &Flow) -> FlowTuple {
    (
        flow.rate.0,
        flow.loss.map(|loss| loss.0),
        flow.jitter.map(whole_micros),
    )
}
