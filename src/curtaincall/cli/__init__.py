"""The command line: `curtaincall serve · media-node · monetization · token · admin · migrate · ledger verify ·
simulate · doctor`.

What a command needs is imported by the command: `token` is asked for by scripts, and should not load a web server.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curtaincall.cli import admin
from curtaincall.cli.options import ConfigFile, DataDir, settings_of
from curtaincall.settings import Settings

if TYPE_CHECKING:
    from curtaincall.storage.database import Database

DAY_S = 86_400

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Paid private video calls and live streams.",
)
ledger = typer.Typer(no_args_is_help=True, help="The books.")
app.add_typer(ledger, name="ledger")
app.add_typer(admin.app, name="admin")


def main() -> None:
    """Entry point of the `curtaincall` command."""
    app()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any free one.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    demo: Annotated[bool, typer.Option("--demo", help="Seed people with money and use the sandbox gateway.")] = False,
    https: Annotated[bool, typer.Option("--https", help="Serve with a locally made certificate.")] = False,
) -> None:
    """Run the server."""
    from curtaincall.cli.serve import run

    server = {"host": host, "port": port, "https": https or None}
    run(settings_of(config, data_dir, demo=demo or None, server=server))


@app.command()
def monetization(
    port: Annotated[int | None, typer.Option(help="gRPC port; 0 for any free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Run the Monetization Service alone: gRPC, without rooms, media and pages."""
    from curtaincall.cli.monetization import run

    run(settings_of(config, data_dir, grpc={"host": host, "port": port}))


@app.command()
def media_node(
    address: Annotated[str | None, typer.Option(help="Where it is commanded: unix:/path, or host:port.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    drain: Annotated[
        bool | None, typer.Option("--drain/--undrain", help="Have the running node take no new rooms, and wait.")
    ] = None,
) -> None:
    """Run a media node: it forwards packets for the server whose `media.nodes` names it."""
    from curtaincall.cli.media_node import run, tell

    settings = settings_of(config, data_dir, media={"node": {"address": address}} if address else None)
    if drain is None:
        run(settings)
    else:
        tell(settings, drain)


@app.command()
def token(
    service: Annotated[str, typer.Option(help="Name of the service that the token is for.")],
    ttl: Annotated[int, typer.Option(min=1, help="Seconds until it expires.")] = DAY_S,
    admin: Annotated[bool, typer.Option("--admin", help="Also for what admins do (/api/admin).")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print a Bearer token for a service, and nothing else."""
    from curtaincall.accounts.tokens import Tokens, signing_key
    from curtaincall.kernel.clock import SystemClock
    from curtaincall.kernel.ids import uuid7

    clock = SystemClock()
    key = signing_key(settings_of(config, data_dir).data_dir)
    typer.echo(Tokens(key, clock, lambda: uuid7(clock.now_ms())).service(service, ttl, admin=admin))


@app.command()
def migrate(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Bring the database to the newest schema. `serve` does it too."""
    from curtaincall.storage.database import migrate as run_migrations

    database = _database(settings_of(config, data_dir))
    try:
        run_migrations(database)
    finally:
        database.close()
    typer.echo("The database is up to date.")


@ledger.command()
def verify(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Recompute the books and the sessions from their rows; exits with 1 if anything does not balance."""
    from curtaincall.charging.verify import verify_sessions
    from curtaincall.ledger.verify import verify as verify_books

    database = _database(settings_of(config, data_dir))
    try:
        with database.reader.begin() as connection:
            report = verify_books(connection)
            problems = (*report.problems, *verify_sessions(connection))
    finally:
        database.close()
    for problem in problems:
        typer.echo(problem)
    typer.echo(
        f"{report.transfers} transfers between {report.accounts} accounts, {report.open_holds} open holds: "
        f"{'the books balance' if not problems else f'{len(problems)} problems'}"
    )
    raise typer.Exit(1 if problems else 0)


@app.command()
def simulate(
    days: Annotated[int, typer.Option(min=1, max=366)] = 30,
    creators: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    fans: Annotated[int, typer.Option(min=1, max=100_000)] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same books.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for the database, the report and the chart.")] = None,
) -> None:
    """Simulate a platform at virtual time on the sandbox gateway; exits with 1 if the books do not balance."""
    from curtaincall.cli.simulate import run
    from curtaincall.simulation.stage import Size

    run(Size(days, creators, fans), seed, out)


@app.command()
def doctor(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Check what the server needs of this machine; exits with 1 if something is missing."""
    from curtaincall.cli.doctor import examine

    findings = examine(settings_of(config, data_dir))
    for finding in findings:
        typer.echo(f"{finding.label:<5} {finding.what}: {finding.detail}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def _database(settings: Settings) -> "Database":
    from curtaincall.storage.database import open_database

    return open_database(settings.data_dir, settings.database.url.get_secret_value(), settings.database.writers)
