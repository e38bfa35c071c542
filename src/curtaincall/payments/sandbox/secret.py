"""The secret that signs the sandbox's webhooks, kept in the data folder unless the settings have one."""

import os
import secrets
from pathlib import Path
from typing import Final

FILE_NAME: Final = "sandbox-webhook.secret"


def webhook_secret(data_dir: Path) -> str:
    """Load the secret; the first caller makes it, readable by its owner only."""
    path = data_dir / FILE_NAME
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # Written whole beside its place and linked there: of two processes that start at once, one wins.
        unfinished = path.with_name(f"{FILE_NAME}.{os.getpid()}")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"whsec_{secrets.token_urlsafe(32)}")
        try:
            os.link(unfinished, path)
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    return path.read_text()
