"""Which object at Stripe belongs to which key of ours.

Revision ID: 0012_stripe
Revises: 0011_blocks
"""

import sqlalchemy as sa
from alembic import op

revision = "0012_stripe"
down_revision = "0011_blocks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stripe_objects",
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("object_id", sa.String, nullable=False),
        sa.Column("facts", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_stripe_objects"),
    )


def downgrade() -> None:
    op.drop_table("stripe_objects")
