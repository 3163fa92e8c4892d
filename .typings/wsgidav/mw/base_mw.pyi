from collections.abc import Callable, Iterable
from typing import Any

class BaseMiddleware:
    wsgidav_app: Any
    next_app: Callable[[dict[str, Any], Any], Iterable[bytes]]
    config: dict[str, Any]
    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None: ...
    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]: ...
