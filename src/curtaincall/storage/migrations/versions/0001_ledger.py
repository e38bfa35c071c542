"""The ledger, payments with their sandbox gateway, and the answers kept for Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

from curtaincall.storage.immutable import make_immutable
from curtaincall.storage.schema import RowNumber

revision = "0001_ledger"
down_revision = None

IMMUTABLE = ("ledger_transfers", "ledger_accounts")
"""Tables whose rows are written once: the database refuses anything else, whoever asks."""


def upgrade() -> None:
    _ledger()
    _payments()
    _sandbox()
    op.create_table(
        "idempotent_answers",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("body_hash", sa.String, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ix_idempotent_answers_created_at_ms", "created_at_ms"),
    )


def _ledger() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("account_id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("owner_id", sa.String, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
    )
    op.create_table(
        "ledger_balances",
        sa.Column("account_id", sa.String, sa.ForeignKey("ledger_accounts.account_id"), primary_key=True),
        sa.Column("credits_posted_minor", sa.BigInteger, nullable=False),
        sa.Column("debits_posted_minor", sa.BigInteger, nullable=False),
        sa.Column("debits_pending_minor", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "credits_posted_minor - debits_posted_minor - debits_pending_minor >= 0", name="available_not_negative"
        ),
        sa.CheckConstraint("debits_pending_minor >= 0", name="pending_not_negative"),
    )
    op.create_table(
        "ledger_transfers",
        sa.Column("seq", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("transfer_id", sa.String, nullable=False, unique=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("leg", sa.Integer, nullable=False),
        sa.Column("body_hash", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("pending_seq", RowNumber, sa.ForeignKey("ledger_transfers.seq")),
        sa.Column("debit_account_id", sa.String, sa.ForeignKey("ledger_accounts.account_id"), nullable=False),
        sa.Column("credit_account_id", sa.String, sa.ForeignKey("ledger_accounts.account_id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("key", "leg"),
        sa.UniqueConstraint("pending_seq", "leg"),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        sa.CheckConstraint("kind IN ('single', 'pending', 'post', 'void')", name="kind_known"),
        sa.CheckConstraint("(kind IN ('post', 'void')) = (pending_seq IS NOT NULL)", name="only_resolutions_refer"),
        sa.Index("ix_ledger_transfers_debit_account_id_seq", "debit_account_id", "seq"),
        sa.Index("ix_ledger_transfers_credit_account_id_seq", "credit_account_id", "seq"),
        sa.Index("ix_ledger_transfers_ref", "ref"),
        sqlite_autoincrement=True,
    )
    make_immutable(IMMUTABLE)


def _payments() -> None:
    op.create_table(
        "payment_methods",
        sa.Column("payment_method_id", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("gateway", sa.String, nullable=False),
        sa.Column("gateway_ref", sa.String, nullable=False),
        sa.Column("brand", sa.String, nullable=False),
        sa.Column("last4", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ix_payment_methods_user_id", "user_id"),
    )
    op.create_table(
        "top_ups",
        sa.Column("top_up_id", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("body_hash", sa.String, nullable=False),
        sa.Column("payment_method_id", sa.String, sa.ForeignKey("payment_methods.payment_method_id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("decline_code", sa.String),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("user_id", "key"),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.Index("ix_top_ups_status", "status"),
    )


def _sandbox() -> None:
    op.create_table(
        "sandbox_cards",
        sa.Column("card_id", sa.String, primary_key=True),
        sa.Column("customer_id", sa.String, nullable=False),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("charges", sa.Integer, nullable=False),
    )
    op.create_table(
        "sandbox_charges",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("card_id", sa.String, sa.ForeignKey("sandbox_cards.card_id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("decline_code", sa.String),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
