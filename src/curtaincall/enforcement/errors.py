"""Refusals of the enforcement domain."""

from curtaincall.kernel.errors import CurtaincallError


class SeatUnknown(CurtaincallError):
    """The user never had a seat in that room."""

    code = "seat_not_found"
