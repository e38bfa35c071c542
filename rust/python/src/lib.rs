//! `curtaincall._native`: the SFU, as Python sees it. Nothing is decided here.

mod engine;
mod error;
mod events;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Engine>()?;
    module.add("SfuError", module.py().get_type::<error::SfuError>())
}
