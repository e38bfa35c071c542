"""Creators' rates, paid sessions with their durable meter, and the timeline that a receipt shows."""

import sqlalchemy as sa
from alembic import op

from curtaincall.storage.schema import RowNumber

revision = "0002_charging"
down_revision = "0001_ledger"


def upgrade() -> None:
    op.create_table(
        "creator_rates",
        sa.Column("creator_id", sa.String, primary_key=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("price_per_minute_minor", sa.BigInteger, nullable=False),
        sa.Column("minimum_ms", sa.BigInteger, nullable=False),
        sa.Column("increment_ms", sa.BigInteger, nullable=False),
        sa.Column("instant_unlock_minor", sa.BigInteger),
        sa.Column("subscription_monthly_minor", sa.BigInteger),
        sa.Column("premium_hd_minor", sa.BigInteger),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "paid_sessions",
        sa.Column("seq", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("session_id", sa.String, nullable=False, unique=True),
        sa.Column("room_id", sa.String, nullable=False),
        sa.Column("payer_id", sa.String, nullable=False),
        sa.Column("payee_id", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("end_reason", sa.String),
        sa.Column("price_per_minute_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("increment_ms", sa.BigInteger, nullable=False),
        sa.Column("minimum_ms", sa.BigInteger, nullable=False),
        sa.Column("fee_bp", sa.Integer, nullable=False),
        sa.Column("granted_ms", sa.BigInteger, nullable=False),
        sa.Column("used_ms", sa.BigInteger, nullable=False),
        sa.Column("hold_number", sa.Integer, nullable=False),
        sa.Column("held_minor", sa.BigInteger, nullable=False),
        sa.Column("posted_minor", sa.BigInteger, nullable=False),
        sa.Column("voided", sa.Boolean, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("settled_at_ms", sa.BigInteger),
        # Nobody uses more than was granted, and nothing is paid that was not held: the database says so too.
        sa.CheckConstraint("used_ms >= 0 AND used_ms <= granted_ms", name="used_within_granted"),
        sa.CheckConstraint("held_minor >= 0 AND posted_minor >= 0", name="amounts_not_negative"),
        sa.CheckConstraint("payer_id <> payee_id", name="two_people"),
        sa.Index("ix_paid_sessions_payer_id_seq", "payer_id", "seq"),
        sa.Index("ix_paid_sessions_payee_id_seq", "payee_id", "seq"),
        sa.Index("ix_paid_sessions_state", "state"),
        sa.Index("ix_paid_sessions_room_id", "room_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "paid_session_events",
        sa.Column("seq", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("session_id", sa.String, sa.ForeignKey("paid_sessions.session_id"), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Index("ix_paid_session_events_session_id_seq", "session_id", "seq"),
        sqlite_autoincrement=True,
    )
