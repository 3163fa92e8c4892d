"""WsgiDAV's provider contract over our shares, so that a stock `WsgiDAVApp` can mount them too.

Requests are answered by our own verbs, through the one hook that hands over whole methods. The
resource objects are only there for WsgiDAV's directory browser, which looks before it hands on.
"""

from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from wsgidav.dav_provider import DAVCollection, DAVNonCollection, DAVProvider

from davserver import methods, wsgi
from davserver.protocol import mediatypes, paths, resources
from davserver.protocol.paths import Path
from davserver.shares import Shares
from davserver.wsgi import Environ, StartResponse


class Provider(DAVProvider):
    """One share, or several below one path, as a provider of WsgiDAV.

    Under a stock application the shares hang under the provider's mount and share paths, and
    whoever mounts them calls `Shares.tend` now and then (see `upkeep`).
    """

    def __init__(self, shares: Shares) -> None:
        super().__init__()
        self.shares = shares

    def is_readonly(self) -> bool:
        return all(share.read_only for share in self.shares.all.values())

    def set_share_path(self, share_path: str) -> None:
        super().set_share_path(share_path)
        self._hang()

    def set_mount_path(self, mount_path: str) -> None:
        super().set_mount_path(mount_path)
        self._hang()

    def custom_request_handler(
        self, environ: Environ, start_response: StartResponse, default_handler: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer with our verbs, whatever WsgiDAV would have done."""

        def answer() -> Iterable[bytes]:
            principal = environ.get("wsgidav.auth.user_name") or ""
            request = wsgi.request(environ, principal, self.shares.prefix, path_is_text=True)
            return wsgi.respond(methods.run(request, self.shares), environ, start_response)

        return wsgi.guard(environ, start_response, answer)

    def get_resource_inst(self, path: str, environ: Environ) -> "Collection | File | None":
        """The file or collection at a decoded path below the share, or None."""
        names = tuple(name for name in path.split("/") if name)
        place = self.shares.resolve(names)
        if place is None or paths.reserved(place.local) or place.share.tree.hides(place.local):
            return None
        facts = place.share.tree.look(place.local)
        if facts is None:
            return None
        kind = Collection if resources.is_collection(facts) else File
        return kind(path, environ, self.shares, names)

    def _hang(self) -> None:
        mounted = f"{self.mount_path or ''}{self.share_path or ''}"
        self.shares.prefix = tuple(name for name in mounted.split("/") if name)


class Collection(DAVCollection):
    """A collection, to be listed."""

    def __init__(self, path: str, environ: Environ, shares: Shares, names: Path) -> None:
        super().__init__(path, environ)
        self._place = shares.to_read(names)

    def get_member_names(self) -> list[str]:
        return [name for name, _ in self._place.share.tree.members(self._place.local)]

    def get_member(self, name: str) -> Any:
        return self.provider.get_resource_inst(f"{self.path.rstrip('/')}/{name}", self.environ)


class File(DAVNonCollection):
    """A file, to be listed and read."""

    def __init__(self, path: str, environ: Environ, shares: Shares, names: Path) -> None:
        super().__init__(path, environ)
        self._place = shares.to_read(names)
        facts = self._place.share.tree.look(self._place.local)
        assert facts is not None
        self._facts = facts

    def get_content_length(self) -> int:
        return self._facts.st_size

    def get_content_type(self) -> str:
        return mediatypes.of(self._place.name)

    def get_last_modified(self) -> int:
        return resources.modified(self._facts)

    def support_etag(self) -> bool:
        return True

    def get_etag(self) -> str:
        """Without its quotes, as WsgiDAV wants it."""
        return (resources.etag(self._facts) or "").strip('"')

    def get_content(self) -> BinaryIO:
        opened = self._place.share.tree.open(self._place.local)
        assert opened is not None
        return open(opened.fd, "rb")
