"""WebSockets: the signaling of rooms, and the news that reach a signed-in user outside of them."""
