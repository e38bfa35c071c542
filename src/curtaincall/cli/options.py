"""What all commands share: where the data and the settings are."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from curtaincall.settings import Settings, UnknownSetting, load

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the database and the keys are kept.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")]


def settings_of(config: Path | None, data_dir: Path | None, **overrides: Any) -> Settings:
    """The settings, with what the command line said on top. Exits with 2 and a sentence if they cannot be."""
    given = {"data_dir": data_dir, **overrides}
    for branch in ("server", "grpc"):
        if isinstance(given.get(branch), dict):
            given[branch] = {name: value for name, value in given[branch].items() if value is not None}
    try:
        return load(config, **{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            typer.echo(f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}", err=True)
    except (UnknownSetting, FileNotFoundError) as error:
        typer.echo(str(error), err=True)
    raise typer.Exit(2)
