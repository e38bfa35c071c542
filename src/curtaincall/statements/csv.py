"""CSV as of RFC 4180, safe to open in a spreadsheet.

A cell that begins like a formula is run by spreadsheets, and names of people are chosen by people: such a cell gets an
apostrophe in front (OWASP, "CSV Injection"). Numbers are numbers of ours and stay as they are.
"""

from collections.abc import Iterable
from typing import Final

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

Cell = str | int


def row(cells: Iterable[Cell]) -> str:
    """One record with its line end."""
    return ",".join(str(cell) if isinstance(cell, int) else _quoted(cell) for cell in cells) + "\r\n"


def _quoted(value: str) -> str:
    if value.startswith(FORMULA_STARTS):
        value = f"'{value}"
    if any(char in value for char in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value
