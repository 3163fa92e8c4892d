"""The one table of options: TOML keys, flags, environment variables, `--help` and the README's
table all come from here.
"""

from dataclasses import dataclass

ENVIRONMENT = "DAVSERVER_"
PASSWORD = "DAVSERVER_PASSWORD"
CONFIG = "DAVSERVER_CONFIG"
SHARES = "DAVSERVER_SHARES"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``kind`` is the type of its value: `str`, `int`, `bool`, `list` (of names) or
    `mode` (octal permissions). ``choices`` are all values that it can have. ``brief`` is
    its line in `--help`, ``sentence`` says all of it.
    """

    key: str
    kind: str
    default: str | int | bool | tuple[str, ...] | None
    brief: str
    sentence: str
    metavar: str = ""
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        return "--" + self.key.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENVIRONMENT + self.key.upper()


OPTIONS: tuple[Option, ...] = (
    Option(
        "host",
        "str",
        "127.0.0.1",
        "address to listen at (127.0.0.1)",
        "Address to listen at.",
        "ADDRESS",
    ),
    Option(
        "port",
        "int",
        8080,
        "port to listen at, 0 for any free one (8080)",
        "Port to listen at; 0 lets the system choose.",
        "PORT",
    ),
    Option(
        "read_only", "bool", False, "refuse every change", "Refuse every change, in all shares."
    ),
    Option(
        "state",
        "str",
        None,
        "where to keep locks and properties",
        "File for locks and properties, made if missing; the default lies in "
        "$XDG_STATE_HOME/davserver, named after the served directories.",
        "FILE",
    ),
    Option(
        "durability",
        "str",
        "sync",
        "what a change survives: sync or rename (sync)",
        "What a change that was answered survives: `sync` a loss of power, `rename` the end of the "
        "server, by kill -9 too; that is faster.",
        "HOW",
        ("sync", "rename"),
    ),
    Option(
        "user",
        "str",
        None,
        "ask for a login; password in DAVSERVER_PASSWORD",
        f"Ask for this user's name, with the password in {PASSWORD} or a new one that is "
        "printed once. Without it everybody on this machine may do everything.",
        "NAME",
    ),
    Option(
        "allowed_hosts",
        "list",
        (),
        "further host names to answer to without a login",
        "Host names, beside those of the loopback, that a server without a user answers to.",
        "NAMES",
    ),
    Option(
        "behind_tls_proxy",
        "bool",
        False,
        "allow other machines: a proxy speaks TLS",
        "A proxy in front speaks TLS: allow an address that is not loopback.",
    ),
    Option(
        "insecure_http",
        "bool",
        False,
        "allow other machines without any encryption",
        "Allow an address that is not loopback although passwords and files go over the "
        "network unencrypted.",
    ),
    Option(
        "follow_symlinks",
        "bool",
        False,
        "follow links that stay in their share",
        "Follow relative symbolic links that stay in their share, for reading and listing.",
    ),
    Option(
        "file_mode",
        "mode",
        None,
        "permissions of new files, as in 0640",
        "Permissions of new files; the umask if unset.",
        "OCTAL",
    ),
    Option(
        "dir_mode",
        "mode",
        None,
        "permissions of new directories, as in 0750",
        "Permissions of new directories; the umask if unset.",
        "OCTAL",
    ),
    Option(
        "infinite_depth",
        "bool",
        True,
        "answer PROPFIND with Depth: infinity (on)",
        "Answer PROPFIND with Depth: infinity.",
    ),
    Option(
        "lock_timeout",
        "int",
        86_400,
        "longest life of a lock (86400)",
        "Longest life of a lock, in seconds.",
        "SECONDS",
    ),
    Option(
        "workers",
        "int",
        None,
        "processes that serve (as many as cores)",
        "Processes that serve; as many as cores may be used if unset.",
        "NUMBER",
    ),
    Option(
        "threads",
        "int",
        16,
        "requests that each worker serves at a time (16)",
        "Requests that each worker serves at a time.",
        "NUMBER",
    ),
    Option(
        "drain_timeout",
        "int",
        30,
        "seconds for what is under way at the end (30)",
        "How long, in seconds, what is under way may take to finish when the server stops; then "
        "it is cut off.",
        "SECONDS",
    ),
    Option("verbose", "bool", False, "log every request", "Log every request."),
)
"""Every option but the shares, which are arguments of the command line."""


def as_markdown() -> str:
    """The table of the README."""
    rows = ["| TOML key | flag | variable | default | what it does |", "| --- " * 5 + "|"]
    for option in OPTIONS:
        default = "none" if option.default in (None, ()) else f"`{option.default}`".lower()
        flag = f"{option.flag} {option.metavar}".strip()
        cells = (f"`{option.key}`", f"`{flag}`", f"`{option.variable}`", default, option.sentence)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that one sub-command has of its own: no setting."""

    command: str
    key: str
    brief: str
    metavar: str = ""

    @property
    def flag(self) -> str:
        return f"--{self.key}"


FLAGS: tuple[Flag, ...] = (
    Flag("check", "repair", "check: mend what is wrong"),
    Flag("backup", "output", "backup: the new file", "FILE"),
)

BY_KEY = {option.key: option for option in OPTIONS}
