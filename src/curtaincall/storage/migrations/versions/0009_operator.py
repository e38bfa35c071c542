"""Admins, frozen accounts, the audit log of what admins did, and an index for creators' earnings.

Revision ID: 0009_operator
Revises: 0008_charging
"""

import sqlalchemy as sa
from alembic import op

from curtaincall.storage.immutable import make_immutable
from curtaincall.storage.schema import RowNumber

revision = "0009_operator"
down_revision = "0008_charging"
branch_labels = None
depends_on = None

EARNED = "kind IN ('single', 'post') AND substr({side}_account_id, 1, 8) = 'creator_'"
"""Rows that move a creator's money: the index has these only, and is used by queries that say so in the same words."""


def upgrade() -> None:
    op.create_table(
        "frozen_accounts",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_frozen_accounts"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_frozen_accounts_user_id_users"),
    )
    op.create_table(
        "admins",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_admins"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_admins_user_id_users"),
    )
    op.create_table(
        "audit_log",
        sa.Column("seq", RowNumber, nullable=False, autoincrement=True),
        sa.Column("act_id", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("act", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_log"),
        sa.UniqueConstraint("act_id", "phase", name="uq_audit_log_act_id_phase"),
        sa.CheckConstraint("phase IN ('begun', 'done', 'refused')", name="ck_audit_log_phase_known"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_log_subject_seq", "audit_log", ["subject", "seq"])
    make_immutable(["audit_log"])
    for side in ("debit", "credit"):
        where = sa.text(EARNED.format(side=side))
        op.create_index(
            f"ix_ledger_transfers_{side}_earned",
            "ledger_transfers",
            [f"{side}_account_id", "created_at_ms"],
            sqlite_where=where,
            postgresql_where=where,
        )


def downgrade() -> None:
    for side in ("debit", "credit"):
        op.drop_index(f"ix_ledger_transfers_{side}_earned", "ledger_transfers")
    op.drop_table("audit_log")
    op.drop_table("admins")
    op.drop_table("frozen_accounts")
