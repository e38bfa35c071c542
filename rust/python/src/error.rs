//! The one funnel from the engine's refusals to Python's exceptions.

use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::PyException;

create_exception!(
    curtaincall._native,
    SfuError,
    PyException,
    "A command was refused; args are (code, message)."
);

/// A refusal on its way to Python.
pub struct Refusal(curtaincall_sfu::error::SfuError);

impl From<curtaincall_sfu::error::SfuError> for Refusal {
    fn from(error: curtaincall_sfu::error::SfuError) -> Self {
        Self(error)
    }
}

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> Self {
        SfuError::new_err((refusal.0.code(), refusal.0.to_string()))
    }
}
