"""Entitlements and what grants them: subscriptions, unlocks, passes, battle entries, tips.

Revision ID: 0007_access
Revises: 0006_payments
"""

import sqlalchemy as sa
from alembic import op

revision = "0007_access"
down_revision = "0006_payments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _entitlements()
    _tips()
    _subscriptions()
    _rooms()


def _entitlements() -> None:
    op.create_table(
        "entitlements",
        sa.Column("entitlement_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("feature", sa.String(32), nullable=False),
        sa.Column("scope_id", sa.String(64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_reason", sa.String(64), nullable=True),
        sa.Column("spent_on", sa.String(64), nullable=True),
        sa.Column("source_key", sa.String(255), nullable=False),
        sa.Column("source_ref", sa.String(255), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entitlement_id", name="pk_entitlements"),
        sa.UniqueConstraint("source_key", name="uq_entitlements_source_key"),
    )
    op.create_index("ix_entitlements_source_ref", "entitlements", ["source_ref"])
    op.create_index("ix_entitlements_user_id_feature_scope_id", "entitlements", ["user_id", "feature", "scope_id"])
    op.create_index("ix_entitlements_scope_id_feature", "entitlements", ["scope_id", "feature"])


def _tips() -> None:
    op.create_table(
        "tips",
        sa.Column("tip_id", sa.String(64), nullable=False),
        sa.Column("request_key", sa.String(512), nullable=False),
        sa.Column("room_id", sa.String(64), nullable=False),
        sa.Column("from_id", sa.String(64), nullable=False),
        sa.Column("to_id", sa.String(64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("message", sa.String(200), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("reversed_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tip_id", name="pk_tips"),
        sa.UniqueConstraint("from_id", "request_key", name="uq_tips_from_id_request_key"),
        sa.CheckConstraint("amount_minor > 0", name="ck_tips_amount_positive"),
    )
    op.create_index("ix_tips_room_id", "tips", ["room_id"])


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", sa.String(64), nullable=False),
        sa.Column("request_key", sa.String(512), nullable=False),
        sa.Column("fan_id", sa.String(64), nullable=False),
        sa.Column("creator_id", sa.String(64), nullable=False),
        sa.Column("payment_method_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("anchor_ms", sa.BigInteger(), nullable=True),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("asking", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("retry_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("entitlement_id", sa.String(64), nullable=True),
        sa.Column("redirect_url", sa.Text(), nullable=True),
        sa.Column("decline_code", sa.String(64), nullable=True),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("end_cause", sa.String(16), nullable=True),
        sa.Column("due_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("subscription_id", name="pk_subscriptions"),
        sa.UniqueConstraint("fan_id", "request_key", name="uq_subscriptions_fan_id_request_key"),
    )
    one_open = sa.text("state <> 'ended'")
    op.create_index(
        "uq_subscriptions_open",
        "subscriptions",
        ["fan_id", "creator_id"],
        unique=True,
        sqlite_where=one_open,
        postgresql_where=one_open,
    )
    op.create_index("ix_subscriptions_due_at_ms", "subscriptions", ["due_at_ms"])
    op.create_table(
        "subscription_periods",
        sa.Column("subscription_id", sa.String(64), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_bp", sa.Integer(), nullable=False),
        sa.Column("calls", sa.String(16), nullable=False),
        sa.Column("minutes_ms", sa.BigInteger(), nullable=False),
        sa.Column("paid_key", sa.String(255), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("earned_minor", sa.BigInteger(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "period", name="pk_subscription_periods"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.subscription_id"],
            name="fk_subscription_periods_subscription_id_subscriptions",
        ),
    )


def _rooms() -> None:
    """What a battle costs and who plays it."""
    op.add_column("rooms", sa.Column("entry_fee_minor", sa.BigInteger(), nullable=True))
    op.add_column("rooms", sa.Column("hd_pass_minor", sa.BigInteger(), nullable=True))
    op.add_column("rooms", sa.Column("players", sa.Text(), nullable=True))


def downgrade() -> None:
    for column in ("players", "hd_pass_minor", "entry_fee_minor"):
        op.drop_column("rooms", column)
    op.drop_table("subscription_periods")
    op.drop_table("subscriptions")
    op.drop_table("tips")
    op.drop_table("entitlements")
