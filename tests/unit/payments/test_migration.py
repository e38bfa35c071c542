"""What was bought and charged before card payments had a table of their own is there afterwards."""

from pathlib import Path

from alembic import command
from sqlalchemy import text

from curtaincall.storage.database import alembic_config, migrate, open_database


def test_top_ups_become_card_payments(tmp_path: Path, empty_database_url: str) -> None:
    database = open_database(tmp_path, empty_database_url)
    with database.writer.begin() as connection:
        command.upgrade(alembic_config(connection), "0005_postgresql")
        for statement in (
            "INSERT INTO payment_methods VALUES ('pm', 'fan', 'sandbox', 'card_1', 'visa', '4242', 1)",
            "INSERT INTO top_ups VALUES ('t1', 'fan', 'k1', 'hash', 'pm', 500, 'EUR', 'succeeded', NULL, 1, 2)",
            "INSERT INTO top_ups VALUES ('t2', 'fan', 'k2', 'hash', 'pm', 700, 'EUR', 'pending', NULL, 1, 2)",
            "INSERT INTO sandbox_cards VALUES ('card_1', 'fan', 'pm_card_visa', 2)",
            "INSERT INTO sandbox_charges VALUES ('t1', 'card_1', 500, 'EUR', NULL, 1)",
            "INSERT INTO sandbox_charges VALUES ('t2', 'card_1', 700, 'EUR', 'card_declined', 1)",
        ):
            connection.execute(text(statement))
    migrate(database)
    with database.reader.begin() as connection:
        payments = connection.execute(
            text(
                "SELECT payment_id, credit_account_id, purpose, gateway, status FROM card_payments ORDER BY payment_id"
            )
        ).all()
        charges = connection.execute(text("SELECT key, status, code FROM sandbox_payments ORDER BY key")).all()
    assert [tuple(row) for row in payments] == [
        ("t1", "wallet:EUR:fan", "top_up", "sandbox", "succeeded"),
        ("t2", "wallet:EUR:fan", "top_up", "sandbox", "pending"),
    ]
    assert [tuple(row) for row in charges] == [("t1", "succeeded", None), ("t2", "declined", "card_declined")]
    database.close()
