"""Calls that a subscription includes, instant unlocks, disputes of sessions, requests over gRPC.

Revision ID: 0008_charging
Revises: 0007_access
"""

revision = "0008_charging"
down_revision = "0007_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
