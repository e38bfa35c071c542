"""Benchmarks: each `make bench-NAME` prints a table and writes `build/bench/NAME.json`."""
