"""The TLS that the settings ask for, and what there is to say of it."""

from collections.abc import Iterator
from datetime import datetime

from davserver.certificates import BadPair, Pair
from davserver.config import ConfigError, Settings, shown
from davserver.serving.tls import Tls


def of(settings: Settings) -> Tls | None:
    """The certificate in use, or None where there is none. Raises ConfigError."""
    if settings.cert is None:
        return None
    try:
        return Tls(settings.cert, settings.key)
    except BadPair as error:
        raise ConfigError(shown(error)) from error


def described(settings: Settings, pair: Pair, now: datetime) -> Iterator[str]:
    """Lines for `davserver check`."""
    days = (pair.ends - now).days
    yield f"certificate: {shown(settings.cert)}"
    yield f"  for: {', '.join(pair.names) or 'no name at all: clients will refuse it'}"
    yield f"  holds until {pair.ends:%Y-%m-%d %H:%M} UTC ({days} day{'s' * (days != 1)} from now)"
    yield f"  SHA-256 fingerprint: {pair.fingerprint}"
    if warning := pair.warning(now):
        yield f"  warning: {warning}"
