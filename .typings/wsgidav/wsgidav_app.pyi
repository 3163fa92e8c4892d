from typing import Any

class WsgiDAVApp:
    config: dict[str, Any]
    verbose: int
    application: Any
    provider_map: dict[str, Any]
    def __init__(self, config: dict[str, Any]) -> None: ...
    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any: ...
