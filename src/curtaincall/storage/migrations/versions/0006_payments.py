"""Gateways, their webhooks, refunds, disputes and payouts.

Revision ID: 0006_payments
Revises: 0005_postgresql
"""

import sqlalchemy as sa
from alembic import op

revision = "0006_payments"
down_revision = "0005_postgresql"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _card_payments()


def _card_payments() -> None:
    """Top-ups become card payments, of which they are one kind."""
    op.add_column("payment_methods", sa.Column("removed_at_ms", sa.BigInteger))
    op.create_table(
        "card_payments",
        sa.Column("payment_id", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("body_hash", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("credit_account_id", sa.String, nullable=False),
        sa.Column("payment_method_id", sa.String, sa.ForeignKey("payment_methods.payment_method_id"), nullable=False),
        sa.Column("gateway", sa.String, nullable=False),
        sa.Column("gateway_id", sa.String),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("off_session", sa.Boolean, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("decline_code", sa.String),
        sa.Column("redirect_url", sa.Text),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("next_question_at_ms", sa.BigInteger, nullable=False),
        sa.Column("questions", sa.Integer, nullable=False),
        sa.UniqueConstraint("user_id", "key"),
        sa.UniqueConstraint("gateway", "gateway_id"),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.Index("ix_card_payments_status_next_question_at_ms", "status", "next_question_at_ms"),
        sa.Index("ix_card_payments_ref", "ref"),
    )
    op.execute(
        """INSERT INTO card_payments
           SELECT t.top_up_id, t.user_id, t.key, t.body_hash, 'top_up', t.top_up_id,
                  'wallet:' || t.currency || ':' || t.user_id, t.payment_method_id, m.gateway, NULL,
                  t.amount_minor, t.currency, FALSE, '', t.status, t.decline_code, NULL,
                  t.created_at_ms, t.updated_at_ms, t.updated_at_ms, 0
           FROM top_ups t JOIN payment_methods m ON m.payment_method_id = t.payment_method_id"""
    )
    op.drop_table("top_ups")
