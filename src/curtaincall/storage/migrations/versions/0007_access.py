"""Entitlements and what grants them: subscriptions, unlocks, passes, battle entries, tips.

Revision ID: 0007_access
Revises: 0006_payments
"""

revision = "0007_access"
down_revision = "0006_payments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
