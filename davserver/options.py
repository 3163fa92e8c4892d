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
        "listen",
        "list",
        (),
        "addresses instead of host and port",
        "All addresses to listen at, instead of host and port: `127.0.0.1:8080`, `[::1]:8080`, "
        "`*:8080` for all of IPv4 and IPv6, `unix:/run/davserver.sock`, `systemd` for the sockets "
        "that systemd hands over.",
        "ADDRESSES",
    ),
    Option(
        "unix_mode",
        "mode",
        0o660,
        "permissions of Unix sockets (0660)",
        "Permissions of Unix sockets.",
        "OCTAL",
    ),
    Option(
        "trusted_proxies",
        "list",
        (),
        "proxies to believe, as in 10.0.0.0/8 or unix",
        "Addresses and networks of the proxies that are believed who their clients are "
        "(Forwarded, X-Forwarded-*); `unix` for whoever may connect to a Unix socket.",
        "PROXIES",
    ),
    Option(
        "proxy_protocol",
        "bool",
        False,
        "trusted proxies speak the PROXY protocol",
        "Connections of trusted proxies begin with a header of the PROXY protocol, version 1 or 2. "
        "Without it they are ended.",
    ),
    Option(
        "prefix",
        "str",
        None,
        "path of all URLs, as in /dav",
        "Path that all URLs begin with; a proxy in front must pass it on.",
        "PATH",
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
        "cert",
        "str",
        None,
        "speak TLS, with this certificate (PEM)",
        "Speak TLS, with the certificate in this PEM file, behind which those that signed it may "
        "follow. `davserver cert` makes one for a local network.",
        "FILE",
    ),
    Option(
        "key",
        "str",
        None,
        "the key of the certificate, if in another file",
        "PEM file with the key of the certificate, without a password; not needed where the file "
        "of the certificate holds it too.",
        "FILE",
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
        "gzip",
        "bool",
        True,
        "code listings for clients that take gzip (on)",
        "Send listings and other XML gzip-coded to clients that take it. Files are never coded.",
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
    Option(
        "slow_uploads",
        "int",
        256,
        "further requests that wait for their content (256)",
        "Further requests that may wait for content, in each worker; beyond them 503.",
        "NUMBER",
    ),
    Option(
        "slowest_upload",
        "int",
        100,
        "bytes a second that content has to come with (100)",
        "Bytes a second that the content of a request has to come with, on average over each "
        "`upload_grace`; 0: any, as long as something comes.",
        "BYTES",
    ),
    Option(
        "upload_grace",
        "int",
        30,
        "seconds that slow content is waited for (30)",
        "Seconds that content is waited for before it is asked how much of it has come.",
        "SECONDS",
    ),
    Option(
        "connections",
        "int",
        10_000,
        "connections that are held at a time (10000)",
        "Connections that each worker holds at a time; for one more the longest idle one is ended.",
        "NUMBER",
    ),
    Option(
        "access_log",
        "str",
        None,
        "log requests to a file, or - for standard error",
        "Log every request to this file, or to standard error with `-`; `none` is for nowhere, "
        "with `verbose` too.",
        "FILE",
    ),
    Option(
        "access_log_format",
        "str",
        "combined",
        "common, combined or json (combined)",
        "What a line of the access log looks like: `common` and `combined` as Apache has them, "
        "`json` an object a line.",
        "FORM",
        ("common", "combined", "json"),
    ),
    Option(
        "status",
        "str",
        "/.~dav-status",
        "where healthz, readyz, metrics are (/.~dav-status)",
        "Where `healthz`, `readyz` and `metrics` are: below a path beside the shares, or at the "
        "top of an address of their own, `HOST:PORT` or `unix:PATH`; `none` for nowhere.",
        "WHERE",
    ),
    Option(
        "healthz",
        "bool",
        True,
        "tell whether the server lives (on)",
        "Answer 200 at `healthz` while the server lives.",
    ),
    Option(
        "readyz",
        "bool",
        True,
        "tell whether the server can serve (on)",
        "Answer at `readyz` 200 while changes can be served, else 503 with the reason.",
    ),
    Option(
        "metrics",
        "bool",
        True,
        "tell metrics to Prometheus (on)",
        "Count requests, and tell Prometheus at `metrics`.",
    ),
    Option(
        "verbose",
        "bool",
        False,
        "log more, and every request",
        "Log more, and every request, to standard error unless `access_log` names another place.",
    ),
)
"""Every option but the shares, which are arguments of the command line."""


def as_markdown() -> str:
    """The table of the README."""
    rows = ["| TOML key | flag | variable | default | what it does |", "| --- " * 5 + "|"]
    for option in OPTIONS:
        default = _default(option)
        flag = f"{option.flag} {option.metavar}".strip()
        cells = (f"`{option.key}`", f"`{flag}`", f"`{option.variable}`", default, option.sentence)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _default(option: Option) -> str:
    if option.default in (None, ()):
        return "none"
    if option.kind == "mode" and isinstance(option.default, int):
        return f"`{option.default:04o}`"
    return f"`{option.default}`".lower()


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that one sub-command has of its own: no setting. It can be given often if it
    ``repeats``.
    """

    command: str
    key: str
    brief: str
    metavar: str = ""
    repeats: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.key}"


FLAGS: tuple[Flag, ...] = (
    Flag("check", "repair", "check: mend what is wrong"),
    Flag("backup", "output", "backup: the new file", "FILE"),
    Flag("cert", "output", "cert: where to put the new files", "FOLDER"),
    Flag("cert", "name", "cert: a further name or address", "NAME", repeats=True),
)

BY_KEY = {option.key: option for option in OPTIONS}
