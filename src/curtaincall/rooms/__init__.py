"""Rooms, seats and roles; private calls; who is online."""
