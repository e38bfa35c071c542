"""Holds that expire: when, and as what they are resolved.

Revision ID: 0005_postgresql
Revises: 0004_rooms
"""

import sqlalchemy as sa
from alembic import op

from curtaincall.storage.immutable import make_immutable
from curtaincall.storage.schema import RowNumber

revision = "0005_postgresql"
down_revision = "0004_rooms"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_ledger_transfers_debit_account_id_seq", ["debit_account_id", "seq"]),
    ("ix_ledger_transfers_credit_account_id_seq", ["credit_account_id", "seq"]),
    ("ix_ledger_transfers_ref", ["ref"]),
)

KIND_KNOWN = "kind IN ('single', 'pending', 'post', 'void', 'expire')"
ONLY_RESOLUTIONS_REFER = "(kind IN ('post', 'void', 'expire')) = (pending_seq IS NOT NULL)"
ONLY_HOLDS_EXPIRE = "kind = 'pending' OR expires_at_ms IS NULL"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        op.add_column("ledger_transfers", sa.Column("expires_at_ms", sa.BigInteger))
        for name in ("kind_known", "only_resolutions_refer"):
            op.drop_constraint(op.f(f"ck_ledger_transfers_{name}"), "ledger_transfers")
        for name, rule in _rules():
            op.create_check_constraint(name, "ledger_transfers", rule)
    expiring = sa.text("expires_at_ms IS NOT NULL")
    op.create_index(
        "ix_ledger_transfers_expires_at_ms",
        "ledger_transfers",
        ["expires_at_ms"],
        sqlite_where=expiring,
        postgresql_where=expiring,
    )


def _rules() -> tuple[tuple[str, str], ...]:
    return (
        ("kind_known", KIND_KNOWN),
        ("only_resolutions_refer", ONLY_RESOLUTIONS_REFER),
        ("only_holds_expire", ONLY_HOLDS_EXPIRE),
    )


def _rebuild() -> None:
    """SQLite changes no constraint of a table that is there: it is made anew, and the rows are carried over."""
    for name, _columns in INDEXES:
        op.drop_index(name, "ledger_transfers")
    op.rename_table("ledger_transfers", "ledger_transfers_before")
    table = op.create_table(
        "ledger_transfers",
        sa.Column("seq", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("transfer_id", sa.String, nullable=False, unique=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("leg", sa.Integer, nullable=False),
        sa.Column("body_hash", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("pending_seq", RowNumber, sa.ForeignKey("ledger_transfers.seq")),
        sa.Column("debit_account_id", sa.String, sa.ForeignKey("ledger_accounts.account_id"), nullable=False),
        sa.Column("credit_account_id", sa.String, sa.ForeignKey("ledger_accounts.account_id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.UniqueConstraint("key", "leg"),
        sa.UniqueConstraint("pending_seq", "leg"),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        *(sa.CheckConstraint(rule, name=name) for name, rule in _rules()),
        sqlite_autoincrement=True,
    )
    columns = ", ".join(column.name for column in table.columns if column.name != "expires_at_ms")
    op.execute(
        f"INSERT INTO ledger_transfers ({columns}) SELECT {columns} FROM ledger_transfers_before ORDER BY seq"  # noqa: S608 - our own names
    )
    op.drop_table("ledger_transfers_before")  # and its triggers
    for name, columns_of_index in INDEXES:
        op.create_index(name, "ledger_transfers", columns_of_index)
    make_immutable(["ledger_transfers"])
