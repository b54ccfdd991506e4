"""The command line: ``sio-demo lab | demo | atlas | check | doctor | chaos | install``."""

import argparse
import asyncio
import inspect
import os
import sys
from contextlib import suppress
from importlib.metadata import version

from .commands import atlas, chaos, check, demo, doctor, install, lab
from .errors import SioDemoError

FAILED = 1  # exit code; argparse exits with 2 when the command was called wrongly
INTERRUPTED = 130  # as shells have it: 128 + SIGINT
EXTRA = 'pip install "sio-demo[notebooks]"'


def main(arguments: list[str] | None = None) -> int:
    """Run a command, that of this process if none is given; return its exit code."""
    parser = _parser()
    try:
        options, options_of_jupyter = parser.parse_known_args(arguments)
        options.others = options_of_jupyter
        if options.command is None:
            parser.print_help()
            return 0
        if options.others and options.command != "lab":
            parser.error(f"unrecognized arguments: {' '.join(options.others)}")
        done = options.run(options)
        code: int = asyncio.run(done) if inspect.iscoroutine(done) else done
        sys.stdout.flush()
    except SioDemoError as error:
        print(f"sio-demo: {error}", file=sys.stderr)
        return FAILED
    except ModuleNotFoundError as error:  # the base install has what `check` needs
        if error.name is None or error.name.startswith(__package__):
            raise
        print(f"sio-demo: this command needs {error.name}. Install it: {EXTRA}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough; Python flushes stdout once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sio-demo",
        description="Why Socket.IO messages come twice after a reconnect: seen, explained, fixed.",
    )
    parser.add_argument("--version", action="version", version=f"sio-demo {version('sio-demo')}")
    with suppress(ModuleNotFoundError):  # the base install has no completion
        import shtab

        shtab.add_argument_to(parser, help="print a script that completes commands in your shell")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in (lab, demo, atlas, check, doctor, chaos, install):
        words = (module.__doc__ or "").partition(": ")[2].rstrip(".")
        command = commands.add_parser(module.__name__.rpartition(".")[2], help=words)
        command.set_defaults(run=module.run)
        module.add(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
