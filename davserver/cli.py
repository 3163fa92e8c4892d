"""The door: the command line, parsed and handed on."""

import argparse
import os
import sys
from collections.abc import Sequence

from davserver import __version__, commands, config
from davserver.config import ConfigError

EXAMPLES = """\
tasks:
  davserver ~/files                          serve a directory on this machine
  davserver music=~/Music docs=/srv/docs     serve several, each below its name
  davserver ~/files --read-only              let nobody change anything
  davserver ~/files --user me --host 0.0.0.0 --behind-tls-proxy
                                             serve others, through a proxy with TLS
  davserver --config /etc/davserver.toml     take everything from a file
  davserver check --config FILE              say what a configuration comes to
Each flag is also a key of the file and a variable: --read-only is read_only and
DAVSERVER_READ_ONLY. Flags win over variables, variables over the file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line. Gives the exit code: 2 where it or the configuration is wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given.pop(0) if given and given[0] in commands.TABLE else "serve"
    parser = _parser(command)
    found = vars(parser.parse_args(given))
    file, shares = found.pop("config"), found.pop("share")
    flags = {key: value for key, value in found.items() if value is not None}
    try:
        if sys.getfilesystemencoding() != "utf-8":
            raise ConfigError("File names need UTF-8: set PYTHONUTF8=1, or a UTF-8 locale.")
        settings = config.load(flags, shares, os.environ, file)
        if command == "serve" and not settings.shares and file is None:
            parser.print_help(sys.stderr)
            return 2
        return commands.TABLE[command](settings)
    except ConfigError as error:
        print(f"davserver: {error}", file=sys.stderr)
        return 2


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="davserver" if command == "serve" else f"davserver {command}",
        usage="davserver [check] [ROOT | NAME=PATH ...] [options]",
        description="A WebDAV file server over ordinary directories.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("share", nargs="*", metavar="ROOT | NAME=PATH", help="what to serve")
    parser.add_argument("--config", metavar="FILE", help="a TOML file with settings")
    for option in config.OPTIONS:
        if option.kind == "bool":
            parser.add_argument(
                option.flag,
                action=argparse.BooleanOptionalAction,
                default=None,
                help=option.sentence,
            )
        else:
            parser.add_argument(option.flag, metavar=option.metavar, help=option.sentence)
    parser.add_argument("--version", action="version", version=f"davserver {__version__}")
    return parser
