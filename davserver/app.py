"""The corridor: WsgiDAV's application with our middleware, in order, over the shares."""

from collections.abc import Iterable, Mapping
from typing import Any

from wsgidav.dav_provider import DAVProvider
from wsgidav.wsgidav_app import WsgiDAVApp

from davserver.middleware import CORRIDOR, Corridor
from davserver.middleware.authentication import Authentication
from davserver.middleware.dispatch import Dispatch
from davserver.middleware.errors import Errors
from davserver.middleware.forwarded import Forwarded
from davserver.middleware.hosts import Hosts
from davserver.middleware.record import Record
from davserver.middleware.status import Metrics, Status
from davserver.provider import Provider
from davserver.wsgi import GZIP, Environ, StartResponse

MIDDLEWARE = (Record, Errors, Forwarded, Status, Hosts, Authentication, Metrics, Dispatch)
"""Outermost first."""


class DavApp(WsgiDAVApp):
    """WsgiDAV's application without its own way into it.

    That way fails on targets that cannot be decoded, loses shares with capital letters, and closes
    every connection whose answer is streamed; here the target is parsed once, by the dispatcher.
    """

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgidav.app"] = self
        environ["wsgidav.config"] = self.config
        environ["wsgidav.verbose"] = self.verbose
        environ["wsgidav.provider"] = None
        environ[GZIP] = self.config[CORRIDOR].gzip
        found: Iterable[bytes] = self.application(environ, start_response)
        return found


def build(corridor: Corridor, others: Mapping[str, DAVProvider] | None = None) -> DavApp:
    """The WSGI application.

    ``others`` are providers of WsgiDAV that somebody else has written, by the name of their share;
    requests for them go to WsgiDAV's own request server.
    """
    providers: dict[str, Any] = {"/": Provider(corridor.shares)}
    providers |= {f"/{name.strip('/')}": provider for name, provider in (others or {}).items()}
    return DavApp(
        {
            CORRIDOR: corridor,
            "provider_mapping": providers,
            "mount_path": "".join(f"/{name}" for name in corridor.shares.prefix),
            "middleware_stack": list(MIDDLEWARE),
            "lock_storage": None,
            "property_manager": None,
            "logging": {"enable": False},
            "verbose": 1,
            "http_authenticator": {"accept_basic": False},
        }
    )
