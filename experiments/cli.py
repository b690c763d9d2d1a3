"""What the commands share: bad input is one line on stderr and exit code 2."""

from __future__ import annotations

import argparse
import codecs
import io
import math
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from experiments.secrets import mask
from experiments.spec.shard import Shard
from experiments.tracking.errors import TrackingLost, TrackingRefused
from vae.errors import BadInput

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN = "plain"
_PLAINLY = {
    "–": "-", "−": "-", "±": "+-", "×": "x", "·": ".", "•": "*", "…": "...", "β": "beta",
    "σ": "sigma", "—": "-", "≥": ">=", "≤": "<=", "→": "->", "“": '"', "”": '"', "’": "'",
    "≈": "~", **dict(zip("▁▂▃▄▅▆▇█", "_.-:=+*#", strict=True)),
}  # fmt: skip

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNITS = (86_400, 3600, 60, 1)

_SCRIPTS = ("sweep.py", "analyze.py", "evaluate.py")
_INSTALLED = "vae-"
_CHECKOUT = Path(__file__).resolve().parents[1]

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """argparse that complains in one line and takes no abbreviated option."""

    def __init__(self, description: str | None) -> None:
        super().__init__(prog=program(), description=description, allow_abbrev=False)

    def refuse_others(self, arguments: argparse.Namespace, flag: str, taken: Iterable[str]) -> None:
        """Refuse what a command does not take beside the option `flag`.

        Args:
            taken: names of the arguments that it takes

        Raises:
            BadInput: naming what is too much.
        """
        flags = self._flags()
        takes = ", ".join(flags[name] for name in taken)
        name = flag.removeprefix("--").replace("-", "_")
        for other in (other for other in flags if other not in (name, *taken)):
            if getattr(arguments, other) != self.get_default(other):
                raise BadInput(f"{flags[other]}: {flag} does not take it (only {takes})")

    def _flags(self) -> dict[str, str]:
        """How each argument is typed, by its name among those that were parsed."""
        actions = [a for a in self._actions if a.default is not argparse.SUPPRESS]
        return {a.dest: (a.option_strings or [a.dest.upper()])[-1] for a in actions}

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {mask(message)} (see {self.prog} --help)\n")


def program() -> str:
    """What was typed: `sweep.py` in a checkout, `vae-sweep` where the package is installed."""
    return Path(sys.argv[0]).name


def typed_command() -> str:
    """The command line of this process, to be typed again; passwords masked."""
    return mask(shlex.join([*_how_to_type(Path(sys.argv[0])), *sys.argv[1:]]))


def command(name: str, *arguments: str) -> str:
    """Another command of this project, to be typed where this one was; passwords masked.

    Args:
        name: `sweep`, `analyze` or `evaluate`
    """
    typed = Path(sys.argv[0])
    if typed.name in _SCRIPTS:
        there = typed.with_name(f"{name}.py")
    elif typed.name.startswith(_INSTALLED):
        there = typed.with_name(f"{_INSTALLED}{name}")
    else:  # a notebook or a script, which imports from a checkout or from what is installed
        script = _CHECKOUT / f"{name}.py"
        there = script if script.exists() else Path(f"{_INSTALLED}{name}")
    return mask(shlex.join([*_how_to_type(there), *arguments]))


def _how_to_type(script: Path) -> list[str]:
    """`python sweep.py`; `vae-sweep`, with its folder where the shell would not find it."""
    if script.suffix == ".py":
        return ["python", str(script)]
    found = shutil.which(script.name)
    near = found is not None and Path(found).resolve() == script.resolve()
    return [script.name if near or script.parent == Path() else str(script)]


def run_command(main: Callable[[], int]) -> NoReturn:
    """Run `main` and leave with its exit code; bad input is told as such, a bug as a bug."""
    # MLflow would report every command to its makers, and delay its exit for it.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    _write_what_can_be_written()
    try:
        sys.exit(main())
    except BadInput as error:
        sys.exit(_complain(str(error)))
    except TrackingRefused as error:
        sys.exit(_complain(f"the tracking store refuses this: {error}"))
    except TrackingLost as error:
        print(f"{program()}: the tracking store is gone: {mask(str(error))}", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # `analyze.py ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _write_what_can_be_written() -> None:
    """Where output is not UTF-8, a character that it does not have is no error."""
    codecs.register_error(_PLAIN, _in_plain_characters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAINLY.get(character, "?") for character in text), error.end


def _complain(message: str) -> int:
    print(f"{program()}: error: {mask(' '.join(message.split()))}", file=sys.stderr)
    return EXIT_BAD_INPUT


def plain_console(stderr: bool = False) -> Console:
    """A terminal on which names, labels and reasons, which come from outside, mean nothing else."""
    from rich.console import Console  # takes its time to import

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def positive_int(text: str) -> int:
    return _number(text, int, at_least=1, wanted="a whole number from 1")


def non_negative_int(text: str) -> int:
    return _number(text, int, at_least=0, wanted="a whole number from 0")


def share(text: str) -> float:
    """Of what a trial takes; fractions are allowed."""
    return _number(text, float, at_least=0, wanted="a number from 0")


def positive_seconds(text: str) -> float:
    return _number(text, float, at_least=1e-9, wanted="a number of seconds above 0")


def duration(text: str) -> float:
    """Seconds, of `2h30m`, `90m`, `1d`, `45s`."""
    found = _DURATION.fullmatch(text.strip())
    seconds = sum(
        float(number) * scale
        for number, scale in zip(found.groups() if found else (), _UNITS, strict=False)
        if number
    )
    if not seconds:
        raise argparse.ArgumentTypeError(f"should be like 2h30m, 90m or 45s (got '{text}')")
    return seconds


def shard(text: str) -> Shard:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"should be I/N with I from 1 to N (got '{text}')")
    return Shard(int(index), int(count))


def check_can_be_made(option: str, folder: Path) -> None:
    """Raise BadInput where `folder` could not be made and written into; makes nothing."""
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise BadInput(f"{option} {folder}: cannot be written")


def _number(text: str, kind: Callable[[str], float], at_least: float, wanted: str) -> int:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not at_least <= value < math.inf:
        raise argparse.ArgumentTypeError(f"should be {wanted} (got '{text}')")
    return value  # type: ignore[return-value]
