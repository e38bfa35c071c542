//! What H264 says of its pictures outside of them.

pub mod sps;
