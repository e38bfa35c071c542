"""Admins, frozen users, and the audit log of what admins did.

Revision ID: 0009_operator
Revises: 0008_charging
"""

revision = "0009_operator"
down_revision = "0008_charging"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
