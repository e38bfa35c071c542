//! Events as tuples: kind, number, at_us, room, then what the kind has to say (see `_native.pyi`).

use curtaincall_sfu::event::{Event, What};
use curtaincall_sfu::lease::Cause;
use curtaincall_sfu::units::{ClockAnchor, EventNumber, whole_micros};
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
            let slots: Vec<_> = slots
                .iter()
                .map(|slot| {
                    let kind = if slot.kind.is_audio() {
                        "audio"
                    } else {
                        "video"
                    };
                    let from = slot.from.as_ref();
                    let user = from.map(|(user, _)| user.as_str());
                    let source = from.map(|(_, source)| source.as_str());
                    (slot.mid.to_string(), kind, user, source)
                })
                .collect();
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
                lease.as_str(),
                cause,
                ended.epoch.0,
                whole_micros(ended.billable),
                anchor.micros(ended.deadline).0,
                last_forward_us,
                ended.packets_after_deadline,
            )
                .into_bound_py_any(py)
        }
    }
}
