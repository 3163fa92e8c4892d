"""What a new user needs to know when a server starts."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from davserver.commands.listening import base_url, places, told
from davserver.config import Settings, shown
from davserver.protocol import paths
from davserver.serving import Listener


def greeting(
    settings: Settings, listeners: Sequence[Listener], state: Path, password: str | None
) -> str:
    """What a new user needs to know at the start."""
    first, *others = places(settings, listeners)
    by_network = next((one for one in listeners if not one.path and not one.is_status), None)
    url = base_url(settings, by_network or listeners[0])
    who = f"user {settings.user}" if settings.user else "everybody on this machine, without a login"
    lines = [f"davserver is ready at {first}", *(f"  and at {other}" for other in others)]
    for share in settings.shares:
        read_only = share.read_only or settings.read_only
        may = "may read" if read_only else "may read and write"
        where = url + paths.escape(share.name) + "/" if share.name else url
        lines.append(f"  {where}  serves {shown(os.path.realpath(share.path))}: {who} {may}")
    lines += [f"Its health and its metrics are told at {one}" for one in told(settings, listeners)]
    lines.append(f"Locks and properties are kept in {shown(state)}")
    if password is not None:
        lines.append(password_line(settings, password))
    if by_network is not None:
        lines.append(f"To mount it: {_mount_command(url)}")
    lines.append("To stop it: Ctrl-C")
    return "\n".join(lines)


def password_line(settings: Settings, password: str) -> str:
    return f"The password of {settings.user} is {password}  (it is not shown again)"


def _mount_command(url: str) -> str:
    """For the operating system that this is."""
    if sys.platform == "darwin":
        return f"mkdir -p ~/dav && mount_webdav -i {url} ~/dav"
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return f"gio mount {url.replace('http', 'dav', 1)}"
    return f"sudo mount -t davfs {url} /mnt"
