"""Blocks between people, and reports to the operator.

Revision ID: 0011_blocks
Revises: 0010_monetization
"""

import sqlalchemy as sa
from alembic import op

revision = "0011_blocks"
down_revision = "0010_monetization"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blocks",
        sa.Column("blocker_id", sa.String(64), nullable=False),
        sa.Column("blocked_id", sa.String(64), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("blocker_id", "blocked_id", name="pk_blocks"),
        sa.ForeignKeyConstraint(["blocker_id"], ["users.user_id"], name="fk_blocks_blocker_id_users"),
        sa.ForeignKeyConstraint(["blocked_id"], ["users.user_id"], name="fk_blocks_blocked_id_users"),
        sa.Index("ix_blocks_blocked_id", "blocked_id"),
    )
    op.create_table(
        "reports",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("report_id", sa.String(64), nullable=False),
        sa.Column("reporter_id", sa.String(64), nullable=False),
        sa.Column("reported_id", sa.String(64), nullable=False),
        sa.Column("room_id", sa.String(64), nullable=True),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("report_id", name="uq_reports_report_id"),
        sa.ForeignKeyConstraint(["reporter_id"], ["users.user_id"], name="fk_reports_reporter_id_users"),
        sa.ForeignKeyConstraint(["reported_id"], ["users.user_id"], name="fk_reports_reported_id_users"),
        sa.Index("ix_reports_reporter_id_created_at_ms", "reporter_id", "created_at_ms"),
    )


def downgrade() -> None:
    op.drop_table("reports")
    op.drop_table("blocks")
