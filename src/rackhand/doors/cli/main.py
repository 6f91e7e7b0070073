"""The command `rackhand`: nouns and verbs, exit codes, errors."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from rackhand.doors.cli.complaints import tell
from rackhand.doors.cli.connection import Connection
from rackhand.doors.cli.exits import Complaint, ExitCode
from rackhand.doors.cli.lazy_group import LazyCommand, LazyGroup
from rackhand.doors.cli.words import _
from rackhand.model.errors import RackhandError

_HERE = "rackhand.doors.cli"
COMMANDS = {
    "zone": LazyCommand(f"{_HERE}.zone:zone", _("Network regions that one gateway reaches.")),
    "network": LazyCommand(f"{_HERE}.network:network", _("VLANs with their addresses.")),
    "flavor": LazyCommand(f"{_HERE}.flavor:flavor", _("Shapes of machine to ask for.")),
    "image": LazyCommand(f"{_HERE}.image:image", _("Systems that machines are written with.")),
    "machine": LazyCommand(f"{_HERE}.machine:machine", _("The servers themselves.")),
    "lease": LazyCommand(f"{_HERE}.lease:lease", _("Requests for a machine.")),
    "event": LazyCommand(f"{_HERE}.event:event", _("What happened.")),
    "schema": LazyCommand(f"{_HERE}.schema:schema", _("JSON schemas of the YAML files.")),
    "completion": LazyCommand(f"{_HERE}.completion:completion", _("Completion for your shell.")),
    "serve": LazyCommand("rackhand.up.command:serve", _("Run API and loop only.")),
    "up": LazyCommand("rackhand.up.command:up", _("Run everything on this machine.")),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=_("Hands out bare-metal servers. Objects are named by name or id."),
)
@click.option(
    "--url",
    envvar="RACKHAND_URL",
    metavar="URL",
    help=_("http(s)://HOST:PORT or unix:///PATH. Default: api.sock in RACKHAND_STATE."),
)
@click.option(
    "--token-file",
    envvar="RACKHAND_TOKEN_FILE",
    metavar="FILE",
    type=click.Path(),
    help=_("File with the token. Default: admin.token in RACKHAND_STATE."),
)
@click.version_option(package_name="rackhand", message="%(version)s")
@click.pass_context
def rackhand(ctx: click.Context, url: str | None, token_file: str | None) -> None:
    """See ``help`` above; what people read comes from the catalogue."""
    ctx.obj = Connection.chosen(url, token_file)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code, with any error told on stderr."""
    try:
        result = rackhand.main(
            None if arguments is None else list(arguments),
            prog_name="rackhand",
            standalone_mode=False,
        )
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except (click.Abort, KeyboardInterrupt):
        print(_("interrupted"), file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception as error:  # the boundary: people see a sentence, debuggers the trace
        if os.environ.get("RACKHAND_DEBUG"):
            traceback.print_exc()
        complaint = _complaint(error)
        tell(complaint)
        return complaint.exit_code
    return result if isinstance(result, int) else ExitCode.OK


def _complaint(error: Exception) -> Complaint:
    if isinstance(error, Complaint):
        return error
    if isinstance(error, RackhandError):
        return Complaint(error.code, error.sentence, error.hint, error.details)
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "rackhand"
        hint = _("see `{} --help`").format(path)
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            return Complaint("usage", _("a command is missing"), hint, exit_code=ExitCode.USAGE)
        return Complaint("usage", error.format_message(), hint, exit_code=ExitCode.USAGE)
    hint = _("this is a fault of rackhand; RACKHAND_DEBUG=1 shows where")
    return Complaint("internal", f"{type(error).__name__}: {error}", hint)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run())
