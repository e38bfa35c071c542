//! The packet path of Curtaincall.
