"""`davserver cert`: makes a certificate for a server in a local network, and its key."""

import errno
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from davserver.config import ConfigError, shown
from davserver.serving import addresses

CERT, KEY, ROOT = "cert.pem", "key.pem", "root.pem"
_MODES = {KEY: 0o600, CERT: 0o644, ROOT: 0o644}


def run(output: str | None = None, name: Sequence[str] | None = None) -> int:
    """Make the three files in a folder, for this machine and for further names. Gives 0. Raises
    ConfigError where a name is none, or a file is there already or cannot be made.
    """
    # Late: nobody else needs what makes certificates.
    from davserver.certificates import making, reading

    wanted = []
    for text in name or ():
        try:
            wanted.append(making.name(text))
        except ValueError as error:
            raise ConfigError(f"--name: {text!r} is neither a host name nor an address.") from error
    for text in own_names(os.uname().nodename, addresses.own()):
        with suppress(ValueError):
            wanted.append(making.name(text))
    made = making.make(list(dict.fromkeys(wanted)), datetime.now(UTC))
    folder = Path(output or ".")
    _write(folder, {KEY: made.key, CERT: made.cert, ROOT: made.root})
    pair = reading.read(str(folder / CERT), str(folder / KEY))
    print(f"Made {', '.join(shown(folder / file) for file in (CERT, KEY, ROOT))}")
    print(f"for {', '.join(pair.names)}")
    print(f"until {pair.ends:%Y-%m-%d}, with the SHA-256 fingerprint {pair.fingerprint}")
    print(
        NEXT.format(cert=_word(folder / CERT), key=_word(folder / KEY), root=_word(folder / ROOT))
    )
    return 0


def own_names(host: str, found: Sequence[str]) -> list[str]:
    """By what others may know a machine: its name, the one that mDNS gives to it (RFC 6762
    section 3), and its addresses.
    """
    short = host.partition(".")[0]
    return [host, short, f"{short}.local", "localhost", "127.0.0.1", "::1", *found]


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    """Make all files, or none. Nobody else can read the key at any moment."""
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / file for file in contents):
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "", path)
        for file, content in contents.items():
            path = folder / file
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            made.append(path)
            with open(opened, "wb") as stream:
                os.fchmod(opened, _MODES[file])
                stream.write(content)
    except OSError as error:
        for one in made:
            one.unlink(missing_ok=True)
        where = shown(error.filename or folder)
        if isinstance(error, FileExistsError):
            raise ConfigError(
                f"{where}: is there already, and stays as it is: name another folder with "
                "--output, or move it away."
            ) from error
        raise ConfigError(f"{where}: cannot be made: {error.strerror}.") from error


def _word(path: Path) -> str:
    """A path as a word of a command line."""
    text = shown(path)
    if re.fullmatch(r"[\w@%+=:,./-]+", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


NEXT = """\

Serve with it:
  davserver ~/files --user me --host 0.0.0.0 --cert {cert} --key {key}

Whoever connects has to trust {root} once; only that file is to be given to others.
  curl      curl --cacert {root} https://...
  Debian    sudo cp {root} /usr/local/share/ca-certificates/davserver.crt
            sudo update-ca-certificates
  macOS     sudo security add-trusted-cert -d -r trustRoot \\
              -k /Library/Keychains/System.keychain {root}
  Windows   certutil -addstore Root root.pem      (as administrator)
  Android   Settings, Security, Encryption and credentials, Install, CA certificate
  iOS       open it, install the profile, then Settings, General, About,
            Certificate Trust Settings
  Firefox   Settings, Privacy and Security, View Certificates, Authorities, Import
It can vouch for nothing but this certificate: its own key is not kept."""
