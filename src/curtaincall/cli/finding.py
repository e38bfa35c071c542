"""What `curtaincall doctor` found, one line each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok`: nothing is missing. An `advice` is not needed, but somebody may miss it."""

    what: str
    ok: bool
    detail: str
    advice: bool = False

    @property
    def label(self) -> str:
        if not self.ok:
            return "FAIL"
        return "note" if self.advice else "ok"


def note(what: str, detail: str) -> Finding:
    return Finding(what, True, detail, advice=True)
