"""The wallet and the gateways that fill it."""
