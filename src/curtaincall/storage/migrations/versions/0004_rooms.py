"""Rooms, and who was removed from them.

Revision ID: 0004_rooms
Revises: 0003_accounts
"""

import sqlalchemy as sa
from alembic import op

revision = "0004_rooms"
down_revision = "0003_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("room_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(120), nullable=True),
        sa.Column("host_id", sa.String(64), nullable=True),
        sa.Column("call_id", sa.String(64), nullable=True),
        sa.Column("payer_id", sa.String(64), nullable=True),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("room_id", name="pk_rooms"),
        sa.UniqueConstraint("call_id", name="uq_rooms_call_id"),
    )
    op.create_index("ix_rooms_ended_at_ms", "rooms", ["ended_at_ms"])
    op.create_table(
        "room_removals",
        sa.Column("room_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("removed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id", name="pk_room_removals"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.room_id"], name="fk_room_removals_room_id_rooms"),
    )


def downgrade() -> None:
    op.drop_table("room_removals")
    op.drop_table("rooms")
