"""Sessions that a media system outside meters, and the answers to its numbered requests.

Revision ID: 0010_monetization
Revises: 0009_operator
"""

import sqlalchemy as sa
from alembic import op

revision = "0010_monetization"
down_revision = "0009_operator"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "credit_sessions",
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("valid_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_credit_sessions"),
    )
    op.create_index("ix_credit_sessions_is_open_valid_until_ms", "credit_sessions", ["is_open", "valid_until_ms"])
    op.create_table(
        "credit_requests",
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "number", name="pk_credit_requests"),
    )
    op.create_index("ix_credit_requests_created_at_ms", "credit_requests", ["created_at_ms"])


def downgrade() -> None:
    op.drop_table("credit_requests")
    op.drop_table("credit_sessions")
