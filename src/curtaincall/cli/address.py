"""Where the server on a data folder listens: a word left in the folder, for the commands of an operator.

It means something only while a server has its claim on the data; who asks finds that out first.
"""

from pathlib import Path
from typing import Final

FILE_NAME: Final = "server.address"


def announce(data_dir: Path, url: str) -> None:
    """Leave word of the address; whole, or not at all."""
    unfinished = data_dir / f"{FILE_NAME}.new"
    unfinished.write_text(f"{url}\n")
    unfinished.replace(data_dir / FILE_NAME)


def withdraw(data_dir: Path) -> None:
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def announced(data_dir: Path) -> str | None:
    """The address; None if none was left."""
    try:
        return (data_dir / FILE_NAME).read_text().strip() or None
    except FileNotFoundError:
        return None
