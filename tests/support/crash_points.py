"""`kill -9` at every step of a scenario, one after the other, without a hook in the product.

A scenario runs in a forked child in which the commits of the database and the calls of the gateway are counted from
outside: SQLAlchemy's dialect and the gateway's class are wrapped there and nowhere else. There is a boundary before
each commit (what it would have kept is lost) and one behind each call of the gateway (it has acted, and nobody has
heard of it). What a crash right behind a commit leaves is what one before the next leaves, so that needs none of its
own. At the boundary that was asked for the child kills itself.

The children are forked by a process of its own that has imported everything and has no threads: `CrashLab`.
"""

import asyncio
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine.default import DefaultDialect

SCENARIO_TIMEOUT_S: Final = 60
"""How long one child may take: a scenario that hangs fails, instead of the whole run."""

Scenario = Callable[[Path], Awaitable[None]]


@dataclass(slots=True)
class Boundaries:
    """Counts the boundaries that a scenario passes, and kills the process at the one numbered `kill_at` (0: none)."""

    kill_at: int
    passed: list[str] = field(default_factory=list)

    def passing(self, what: str) -> None:
        self.passed.append(what)
        if len(self.passed) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around_commits(self) -> None:
        commit = DefaultDialect.do_commit

        def do_commit(dialect: DefaultDialect, connection: Any) -> None:
            self.passing("before a commit")
            commit(dialect, connection)

        DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]  # in this process only

    def around_calls(self, gateway: type, methods: tuple[str, ...]) -> None:
        for name in methods:
            setattr(gateway, name, self._wrapped(getattr(gateway, name)))

    def _wrapped(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(method)
        async def call(*arguments: Any, **options: Any) -> Any:
            answer = await method(*arguments, **options)
            self.passing(f"behind the gateway's {method.__name__}")
            return answer

        return call


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a child: killed at a boundary, or through to the end past so many of them."""

    killed: bool
    boundaries: int


class CrashLab:
    """Forks children that run scenarios. A scenario is named `module:function` and takes the data folder."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, scenario: str, directory: Path, kill_at: int = 0) -> Ran:
        """Run a scenario in a child of its own. Raises AssertionError with its traceback if it fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([scenario, str(directory), kill_at]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "the process that forks the children has died"
        outcome = json.loads(answer)
        assert outcome["failure"] is None, outcome["failure"]
        return Ran(outcome["killed"], outcome["boundaries"])


@contextmanager
def crash_lab(*modules: str) -> Iterator[CrashLab]:
    """A lab that has imported the modules of its scenarios."""
    command = [sys.executable, "-m", "support.crash_points", *modules]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield CrashLab(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def _fork(scenario: str, directory: Path, kill_at: int) -> dict[str, Any]:
    report, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(report)
        os._exit(_child(scenario, directory, kill_at, write))
    os.close(write)
    with os.fdopen(report) as reader:
        said = reader.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return {"killed": True, "boundaries": kill_at, "failure": None}
    outcome = json.loads(said) if said else {"boundaries": 0, "failure": f"the child ended with status {status}"}
    return {"killed": False, **outcome}


def _child(scenario: str, directory: Path, kill_at: int, report: int) -> int:
    boundaries = Boundaries(kill_at)
    failure: str | None = None
    try:
        module, _, name = scenario.partition(":")
        scenarios = importlib.import_module(module)
        boundaries.around_commits()
        for gateway, methods in getattr(scenarios, "GATEWAYS", {}).items():
            boundaries.around_calls(gateway, methods)
        run: Scenario = getattr(scenarios, name)
        asyncio.run(asyncio.wait_for(run(directory), SCENARIO_TIMEOUT_S))
    except BaseException:
        failure = traceback.format_exc()
    os.write(report, json.dumps({"boundaries": len(boundaries.passed), "failure": failure}).encode())
    return 0


def main() -> None:
    """Answer each line of standard input, a scenario, with a line of what became of it."""
    for module in sys.argv[1:]:
        importlib.import_module(module)
    for line in sys.stdin:
        scenario, directory, kill_at = json.loads(line)
        print(json.dumps(_fork(scenario, Path(directory), kill_at)), flush=True)


if __name__ == "__main__":
    main()
