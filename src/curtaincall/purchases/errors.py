"""What purchases refuse, each with its stable code."""

from curtaincall.kernel.errors import CurtaincallError


class PurchaseError(CurtaincallError):
    """Base of what purchases refuse."""

    code = "purchase_error"


class NotForSale(PurchaseError):
    """The creator has set no price for it, or it does not exist here."""

    code = "not_for_sale"


class AlreadyYours(PurchaseError):
    """One does not buy from oneself, nor what one may have for nothing."""

    code = "not_needed"


class TipToOneself(PurchaseError):
    """Giver and receiver are the same."""

    code = "tip_to_oneself"


class TipRecipientInvalid(PurchaseError):
    """The receiver is not in the room, or is nobody who earns here."""

    code = "tip_recipient_invalid"


class TipConflict(PurchaseError):
    """The key was used before for another tip."""

    code = "idempotency_conflict"


class EntriesSoldOut(PurchaseError):
    """As many entries are sold as a battle may have."""

    code = "entries_sold_out"
