"""The door: the command line, parsed and handed on."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial

from davserver import __version__, commands, config, options
from davserver.config import ConfigError

USAGE = """\
usage: davserver ROOT | NAME=PATH ... [options]    serve directories over WebDAV
       davserver check ...    say what the settings come to, and what is wrong
       davserver export ...   write locks and properties as lines of JSON
       davserver import ...   take such lines from the standard input
       davserver backup ...   copy locks and properties while they are in use
       davserver cert ...     make a certificate for a local network
"""

TASKS = """\
tasks:
  davserver ~/files                        serve a directory on this machine
  davserver music=~/Music docs=/srv/docs   serve several, each below its name
  davserver ~/files --read-only            let nobody change anything
  davserver ~/files --user me --host 0.0.0.0 --cert cert.pem --key key.pem
                                           serve others, by https
  davserver --config davserver.toml        take all settings from a file

Every option is also a key of the file (read_only) and an environment variable
(DAVSERVER_READ_ONLY), and --no-... switches one off. Flags win over variables,
variables over the file.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line. Gives the exit code: 2 where it or the configuration is wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    names = (*commands.TABLE, *commands.ALONE)
    command = given.pop(0) if given and given[0] in names else "serve"
    parser = _parser(command)
    known, unknown = parser.parse_known_args(given)
    found = vars(known)
    file, shares = found.pop("config", None), found.pop("share")
    own = {flag.key: found.pop(flag.key) for flag in options.FLAGS if flag.command == command}
    flags = {key: value for key, value in found.items() if value is not None}
    try:
        for argument in unknown:
            flag = argument.partition("=")[0]
            raise ConfigError(_unknown(flag, command))
        if sys.getfilesystemencoding() != "utf-8":
            raise ConfigError("File names need UTF-8: set PYTHONUTF8=1, or a UTF-8 locale.")
        if command in commands.ALONE:
            for path in shares:
                raise ConfigError(f"{path}: davserver {command} serves no directory.")
            return commands.ALONE[command](**own)
        named = (shares, file, os.environ.get(options.SHARES), os.environ.get(options.CONFIG))
        if command == "serve" and not any(named):
            parser.print_help(sys.stderr)
            return 2
        load = partial(config.load, flags, shares, os.environ, file)
        if command == "serve":
            own["again"] = load
        return commands.TABLE[command](load(), **own)
    except ConfigError as error:
        print(f"davserver: {error}", file=sys.stderr)
        return 2


def _unknown(flag: str, command: str) -> str:
    """The sentence about an option that a sub-command does not have."""
    others = [other.command for other in options.FLAGS if other.flag == flag]
    if others:
        return f"{flag} is an option of davserver {' and '.join(others)} alone."
    known = [one.flag for one in options.FLAGS if one.command == command]
    if command not in commands.ALONE:
        known += [option.flag for option in options.OPTIONS]
    return f"unknown option {flag}{config.nearest(flag, known)}"


class _Parser(argparse.ArgumentParser):
    """Its help fits on one screen."""

    def format_help(self) -> str:
        rows = [("--config FILE", "a TOML file with settings")]
        for option in options.OPTIONS:
            rows.append((f"{option.flag} {option.metavar}".rstrip(), option.brief))
        for own in options.FLAGS:
            rows.append((f"{own.flag} {own.metavar}".rstrip(), own.brief))
        rows += [("--version, --help", "")]
        lines = "".join(f"  {flag:<24} {brief}".rstrip() + "\n" for flag, brief in rows)
        return f"{USAGE}\noptions:\n{lines}\n{TASKS}"


def _parser(command: str) -> argparse.ArgumentParser:
    parser = _Parser(prog="davserver", usage=USAGE.removeprefix("usage: "), allow_abbrev=False)
    parser.add_argument("share", nargs="*")
    if command not in commands.ALONE:
        _add_settings(parser)
    for own in options.FLAGS:
        if own.command == command and own.metavar:
            action = "append" if own.repeats else "store"
            parser.add_argument(own.flag, metavar=own.metavar, action=action)
        elif own.command == command:
            parser.add_argument(own.flag, action="store_true")
    parser.add_argument("--version", action="version", version=f"davserver {__version__}")
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config")
    for option in options.OPTIONS:
        if option.kind == "bool":
            action = argparse.BooleanOptionalAction
            parser.add_argument(option.flag, action=action, default=None)
        else:
            parser.add_argument(option.flag, metavar=option.metavar)
