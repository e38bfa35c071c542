"""A PostgreSQL server of the tests' own: Debian's, on a temporary data directory, reached by a Unix socket only.

It is as durable as one that an operator runs (fsync on), and ends with the process that started it, however that ends.
"""

import itertools
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from curtaincall.storage.database import migrate, open_database

DEBIAN_BINARIES = Path("/usr/lib/postgresql")
SERVER_USER = "postgres"
TEMPLATE = "curtaincall_template"
LOG_LINES_KEPT = 500
STOP_TIMEOUT_S = 20


def binaries() -> Path:
    """The folder of Debian's newest PostgreSQL. Another `postgres` on the PATH is not looked at."""
    found = sorted(DEBIAN_BINARIES.glob("*/bin/initdb"), key=lambda initdb: int(initdb.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed. Please type: dev/packages postgresql")
    return found[-1].parent


class Cluster:
    """A running server. Use `Cluster.start()` as a context manager, `fresh()` for a migrated database of one's own."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self._folder = folder
        self._process = process
        self._numbers = itertools.count()
        self._log: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self._shape: object = None
        self._clean: list[str] = []

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["Cluster"]:
        folder = Path(tempfile.mkdtemp(prefix="curtaincall-pg-"))
        data = folder / "data"
        as_server: list[str] = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:  # the server refuses to be run by root
            user = pwd.getpwnam(SERVER_USER)
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_server += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
        try:
            initdb = [binaries() / "initdb", "-D", data, "-U", SERVER_USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
            subprocess.run([*as_server, *initdb, "--locale=C.UTF-8"], check=True, capture_output=True, cwd=folder)
            options = {"listen_addresses": "", "unix_socket_directories": str(folder), "max_connections": "100"}
            settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
            process = subprocess.Popen(
                [*as_server, binaries() / "postgres", "-D", data, *settings],
                stderr=subprocess.PIPE,
                cwd=folder,
                text=True,
            )
            cluster = cls(folder, process)
            try:
                cluster._wait_until_ready()
                yield cluster
            finally:
                cluster.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """What `database.url` is set to for the database of this name."""
        return f"postgresql://{SERVER_USER}@/{name}?host={self._folder}"

    def empty(self) -> str:
        """The URL of a database with nothing in it."""
        return self._create("template0")

    def fresh(self) -> str:
        """The URL of a database with the newest schema and no row: one that was given back, or a copy of a template."""
        if self._clean:
            return self._clean.pop()
        if self._shape is None:
            self._admin(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(TEMPLATE)))
            database = open_database(self._folder, self.url(TEMPLATE))
            migrate(database)
            database.close()
            with psycopg.connect(self.url(TEMPLATE)) as connection:
                self._shape = _shape(connection)
        return self._create(TEMPLATE)

    def give_back(self, url: str) -> None:
        """End with a database. Emptying it takes milliseconds, where making and dropping one takes half a second."""
        self.end_connections(url)
        with psycopg.connect(url) as connection:
            if _shape(connection) == self._shape:
                _empty(connection)
                self._clean.append(url)
                return
        found = re.search(r"/(\w+)\?", url)
        assert found is not None, url
        self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(found[1])))

    def end_connections(self, url: str) -> None:
        """What a restart of the server does to its clients, without the restart."""
        with psycopg.connect(url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def stop(self) -> None:
        self._process.terminate()  # SIGTERM: waits for clients; SIGINT, sent next, hangs up on them
        self._process.send_signal(2)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._admin(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def _admin(self, statement: sql.Composed) -> None:
        conninfo = make_conninfo(host=str(self._folder), user=SERVER_USER, dbname="postgres")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(statement)

    def _wait_until_ready(self) -> None:
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read_log, args=(ready,), daemon=True)
        self._reader.start()
        ready.wait()
        if self._process.poll() is not None:
            raise RuntimeError("PostgreSQL did not start. It said:\n" + "\n".join(self._log))

    def _read_log(self, ready: threading.Event) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line.rstrip())
            if "ready to accept connections" in line:
                ready.set()
        self._process.wait()
        ready.set()


def _shape(connection: "psycopg.Connection[tuple[object, ...]]") -> object:
    """What of the schema a test could have changed: columns, constraints, triggers, functions."""
    return connection.execute(
        "SELECT (SELECT array_agg(attrelid::regclass || attname || atttypid::regtype ORDER BY attrelid, attnum)"
        "   FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace),"
        " (SELECT array_agg(conname || pg_get_constraintdef(oid) ORDER BY conname) FROM pg_constraint),"
        " (SELECT array_agg(tgname || tgenabled::text ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal),"
        " (SELECT count(*) FROM pg_proc)"
    ).fetchone()


def _empty(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    """Delete every row but the number of the schema's revision, past the triggers that refuse it."""
    connection.execute("SET session_replication_role = replica")
    names = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    tables = [str(row[0]) for row in connection.execute(names).fetchall() if row[0] != "alembic_version"]
    filled = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(sql.Literal(name), sql.Identifier(name))
        for name in tables
    )
    for row in connection.execute(filled).fetchall():
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(str(row[0]))))
    connection.execute("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence")
