"""Settings of the whole suite: hypothesis profiles, chosen by HYPOTHESIS_PROFILE; failures print how to repeat them.

And the databases: a test that asks for `database_url` (or for a world that does) is run on SQLite and on PostgreSQL.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from support.postgres import Cluster

settings.register_profile("test", max_examples=100, deadline=None, print_blob=True)
settings.register_profile(
    "soak", max_examples=5_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One PostgreSQL server for the whole run, started by the first test that needs it."""
    with Cluster.start() as cluster:
        yield cluster


@pytest.fixture(params=DATABASES)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Runs a test once for each kind of database.

    `@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)` keeps one to one of them (say why beside it).
    """
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The setting `database.url` of a migrated database of the test's own; empty for SQLite, in the data folder.

    To be passed on: `open_database(tmp_path, database_url)` and `migrate`, `MoneyWorld.open(tmp_path, database_url)`,
    or `Server(..., environment={"CURTAINCALL_DATABASE__URL": database_url})`.
    """
    with ExitStack() as stack:
        url = ""
        if database_kind == "postgresql":
            cluster: Cluster = request.getfixturevalue("postgres")
            url = cluster.fresh()
            stack.callback(cluster.give_back, url)
        yield url


@pytest.fixture
def empty_database_url(database_kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """As `database_url`, of a database without any table."""
    with ExitStack() as stack:
        url = ""
        if database_kind == "postgresql":
            cluster: Cluster = request.getfixturevalue("postgres")
            url = cluster.empty()
            stack.callback(cluster.give_back, url)
        yield url
