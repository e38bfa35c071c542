"""What storage refuses, each with its stable code."""

from curtaincall.kernel.errors import CurtaincallError


class StorageError(CurtaincallError):
    """Base of what storage refuses."""

    code = "storage_error"


class Overloaded(StorageError):
    """The bounded queue is full: the caller should tell its client to come back later."""

    code = "overloaded"


class StorageClosed(StorageError):
    """The executor no longer takes commands: the process is stopping."""

    code = "storage_closed"


class DataInUse(StorageError):
    """Another server works on this data."""

    code = "data_in_use"


class StorageUnavailable(StorageError):
    """The database does not answer: locked by another process for too long, or its disk is full or gone."""

    code = "storage_unavailable"


class ValueRefused(StorageError):
    """The database cannot keep a value as it was given: PostgreSQL has no text with a NUL character in it."""

    code = "value_refused"


class IdempotencyConflict(StorageError):
    """The key was used before with another body."""

    code = "idempotency_conflict"


class IdempotencyInFlight(StorageError):
    """A request with this key is still being worked on, and was for as long as we were ready to wait."""

    code = "idempotency_in_flight"


class CursorInvalid(StorageError):
    """The cursor is not one that a page of ours carried."""

    code = "cursor_invalid"
