"""Gateways, their webhooks, refunds, disputes and payouts.

Revision ID: 0006_payments
Revises: 0005_postgresql
"""

revision = "0006_payments"
down_revision = "0005_postgresql"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
