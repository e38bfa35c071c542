"""Curtaincall: paid private video calls and live streams; no packet without a paid lease."""
