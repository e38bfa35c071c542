"""Calls that a subscription includes, instant unlocks, voids counted by day, disputes of sessions.

Revision ID: 0008_charging
Revises: 0007_access
"""

import sqlalchemy as sa
from alembic import op

revision = "0008_charging"
down_revision = "0007_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "creator_rates", sa.Column("subscription_calls", sa.String(16), nullable=False, server_default="none")
    )
    op.add_column("creator_rates", sa.Column("subscription_minutes", sa.BigInteger))

    op.add_column("paid_sessions", sa.Column("included_ms", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("paid_sessions", sa.Column("included_entitlement_id", sa.String))
    op.add_column("paid_sessions", sa.Column("included_period_ms", sa.BigInteger))
    op.add_column("paid_sessions", sa.Column("reserved_ms", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("paid_sessions", sa.Column("unlock_price_minor", sa.BigInteger))
    op.add_column("paid_sessions", sa.Column("unlock_minor", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("paid_sessions", sa.Column("unlock_entitlement_id", sa.String))
    op.create_index(
        "ix_paid_sessions_included_entitlement_id", "paid_sessions", ["included_entitlement_id", "included_period_ms"]
    )
    op.create_table(
        "included_minutes",
        sa.Column("entitlement_id", sa.String, primary_key=True),
        sa.Column("period_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("taken_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("taken_ms >= 0", name="taken_not_negative"),
    )
    op.create_table(
        "session_voids",
        sa.Column("payer_id", sa.String, primary_key=True),
        sa.Column("payee_id", sa.String, primary_key=True),
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("voids", sa.Integer, nullable=False),
    )
    # Until now they were counted from the sessions.
    op.execute(
        """INSERT INTO session_voids (payer_id, payee_id, day, voids)
           SELECT payer_id, payee_id, settled_at_ms / 86400000, COUNT(*) FROM paid_sessions
           WHERE voided AND settled_at_ms IS NOT NULL GROUP BY payer_id, payee_id, settled_at_ms / 86400000"""
    )
    op.create_table(
        "session_disputes",
        sa.Column("dispute_id", sa.String, primary_key=True),
        sa.Column("session_id", sa.String, sa.ForeignKey("paid_sessions.session_id"), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Index("ix_session_disputes_session_id", "session_id"),
    )


def downgrade() -> None:
    op.drop_table("session_disputes")
    op.drop_table("session_voids")
    op.drop_table("included_minutes")
    op.drop_index("ix_paid_sessions_included_entitlement_id", "paid_sessions")
    for column in (
        "unlock_entitlement_id",
        "unlock_minor",
        "unlock_price_minor",
        "reserved_ms",
        "included_period_ms",
        "included_entitlement_id",
        "included_ms",
    ):
        op.drop_column("paid_sessions", column)
    op.drop_column("creator_rates", "subscription_minutes")
    op.drop_column("creator_rates", "subscription_calls")
