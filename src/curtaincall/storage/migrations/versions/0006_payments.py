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
    _inbox()
    _refunds_and_disputes()
    _payouts_and_recharge()
    _sandbox()


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


def _inbox() -> None:
    op.create_table(
        "webhook_inbox",
        sa.Column("gateway", sa.String, primary_key=True),
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("event_type", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("object_id", sa.String, nullable=False),
        sa.Column("key", sa.String),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.String),
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
        sa.Column("next_attempt_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ix_webhook_inbox_status_next_attempt_at_ms", "status", "next_attempt_at_ms"),
        sa.Index("ix_webhook_inbox_received_at_ms", "received_at_ms"),
    )


def _refunds_and_disputes() -> None:
    op.create_table(
        "refunds",
        sa.Column("refund_id", sa.String, primary_key=True),
        sa.Column("transaction_key", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("transaction_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("payment_id", sa.String, sa.ForeignKey("card_payments.payment_id")),
        sa.Column("gateway_id", sa.String),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("failure_code", sa.String),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("next_question_at_ms", sa.BigInteger, nullable=False),
        sa.Column("questions", sa.Integer, nullable=False),
        sa.UniqueConstraint("transaction_key", "attempt"),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.Index("ix_refunds_status_next_question_at_ms", "status", "next_question_at_ms"),
        sa.Index("ix_refunds_payment_id", "payment_id"),
    )
    op.create_table(
        "disputes",
        sa.Column("dispute_id", sa.String, primary_key=True),
        sa.Column("gateway", sa.String, nullable=False),
        sa.Column("gateway_id", sa.String, nullable=False),
        sa.Column("payment_id", sa.String, sa.ForeignKey("card_payments.payment_id"), nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("refs", sa.Text, nullable=False),
        sa.Column("opened_at_ms", sa.BigInteger, nullable=False),
        sa.Column("decided_at_ms", sa.BigInteger),
        sa.UniqueConstraint("gateway", "gateway_id"),
        sa.CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        sa.Index("ix_disputes_state_opened_at_ms", "state", "opened_at_ms"),
        sa.Index("ix_disputes_payment_id", "payment_id"),
    )
    op.create_table(
        "payment_reversals",
        sa.Column("cause_id", sa.String, primary_key=True),
        sa.Column("transfer_id", sa.String, primary_key=True),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("undone", sa.Boolean, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.Index("ix_payment_reversals_transfer_id", "transfer_id"),
    )


def _payouts_and_recharge() -> None:
    op.create_table(
        "payouts",
        sa.Column("payout_id", sa.String, primary_key=True),
        sa.Column("creator_id", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("body_hash", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("gateway", sa.String, nullable=False),
        sa.Column("gateway_id", sa.String),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("failure_code", sa.String),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("next_question_at_ms", sa.BigInteger, nullable=False),
        sa.Column("questions", sa.Integer, nullable=False),
        sa.UniqueConstraint("creator_id", "key"),
        sa.UniqueConstraint("creator_id", "number"),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.Index("ix_payouts_status_next_question_at_ms", "status", "next_question_at_ms"),
    )
    op.create_table(
        "auto_recharge",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("payment_method_id", sa.String, sa.ForeignKey("payment_methods.payment_method_id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("max_per_day", sa.Integer, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("used_today", sa.Integer, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.CheckConstraint("max_per_day > 0", name="max_per_day_positive"),
    )


def _sandbox() -> None:
    """Charges get an id of the sandbox's own, and there is more that the sandbox does."""
    op.add_column("sandbox_cards", sa.Column("removed_at_ms", sa.BigInteger))
    op.create_table(
        "sandbox_payments",
        sa.Column("charge_id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("card_id", sa.String, sa.ForeignKey("sandbox_cards.card_id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("off_session", sa.Boolean, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("refunded_minor", sa.BigInteger, nullable=False),
        sa.Column("due_at_ms", sa.BigInteger),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ix_sandbox_payments_due_at_ms", "due_at_ms"),
    )
    op.execute(
        """INSERT INTO sandbox_payments
           SELECT 'ch_' || key, key, card_id, amount_minor, currency, FALSE,
                  CASE WHEN decline_code IS NULL THEN 'succeeded' ELSE 'declined' END, decline_code, 0, NULL,
                  created_at_ms
           FROM sandbox_charges"""
    )
    op.drop_table("sandbox_charges")
    op.create_table(
        "sandbox_refunds",
        sa.Column("refund_id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("charge_id", sa.String, sa.ForeignKey("sandbox_payments.charge_id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("due_at_ms", sa.BigInteger),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ix_sandbox_refunds_due_at_ms", "due_at_ms"),
    )
    op.create_table(
        "sandbox_payouts",
        sa.Column("payout_id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("recipient_id", sa.String, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("due_at_ms", sa.BigInteger),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ix_sandbox_payouts_due_at_ms", "due_at_ms"),
    )
    op.create_table(
        "sandbox_disputes",
        sa.Column("dispute_id", sa.String, primary_key=True),
        sa.Column("charge_id", sa.String, sa.ForeignKey("sandbox_payments.charge_id"), nullable=False, unique=True),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("becomes", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("due_at_ms", sa.BigInteger),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ix_sandbox_disputes_due_at_ms", "due_at_ms"),
    )
    op.create_table(
        "sandbox_deliveries",
        sa.Column("delivery_id", sa.String, primary_key=True),
        sa.Column("event_id", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ix_sandbox_deliveries_due_at_ms", "due_at_ms"),
    )
