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


def downgrade() -> None:
    op.drop_table("entitlements")
