"""The one MetaData on which every domain's `store.py` defines its tables."""

from typing import Final

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every constraint has a name of its own, so that a later migration can refer to it on any database."""

RowNumber: Final = BigInteger().with_variant(Integer(), "sqlite")
"""The type of a primary key that counts up by itself, and of what refers to one: on SQLite only an INTEGER counts."""
