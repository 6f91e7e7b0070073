"""How a command line ends: with its result, an error and what to do, or stopped in order."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click

_STOPS = (signal.SIGINT, signal.SIGTERM)


def run_command(
    command: click.Command, name: str, *errors: type[Exception], interrupted: str = "interrupted"
) -> None:
    """Run ``script/NAME``; each of ``errors`` is one sentence with its hint, and status 1.

    Ctrl-C and ``kill`` raise KeyboardInterrupt in it, once, and end with status 130.
    """

    def say(text: str) -> None:
        print(f"[{name}] {text}", file=sys.stderr, flush=True)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # A second Ctrl-C must not break the cleaning up.
        for number in _STOPS:
            signal.signal(number, lambda *_: say("is being stopped; wait"))
        raise KeyboardInterrupt

    for number in _STOPS:
        signal.signal(number, interrupt)
    try:
        command(prog_name=f"script/{name}", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say(interrupted)
        sys.exit(130)
    except errors as error:
        hint = getattr(error, "hint", "")
        print(f"{name}: {error}" + (f"\n  hint: {hint}" if hint else ""), file=sys.stderr)
        sys.exit(1)
