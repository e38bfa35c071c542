"""A narrated proof without a browser: `make demo`."""
