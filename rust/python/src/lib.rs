//! `curtaincall._native`: the SFU, as Python sees it. Nothing is decided here.

mod engine;
mod error;
mod events;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

/// A packet costs several short-lived allocations in the WebRTC library, on threads that share nothing.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Engine>()?;
    module.add("SfuError", module.py().get_type::<error::SfuError>())
}
