"""What a server has acknowledged, request by request, and whether it is still there, whole.

Every request is judged at once: done means that all of it is there, refused that nothing of it is.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from davserver.protocol import documents, multistatus
from davserver.protocol.paths import Path, href, parse
from tests.bench.client import Answer, Client, Unanswered

NAMESPACE = "urn:n"
_ALLPROP = b'<D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'
_LOCKINFO = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype></D:lockinfo>"
)


@dataclass(frozen=True, slots=True)
class Held:
    """A resource: the digest of its content, empty for a collection, and its dead properties."""

    digest: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """Asks the server at the port that ``port`` gives. ``counts`` are figures: what was done,
    refused, and damaged. ``violations`` are sentences about what must not be.
    """

    port: Callable[[], int]
    held: dict[Path, Held] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    client: Client = field(default_factory=Client)

    def put(self, path: Path, content: bytes, *refusals: int) -> bool:
        """PUT; ``refusals`` are the statuses that may refuse it. Gives whether it was done."""
        old = self.held.get(path)
        new = Held(digest(content), old.properties if old else {})
        status = 204 if old else 201
        return self._change("PUT", path, {}, content, status, refusals, {path: new})

    def make(self, path: Path, *refusals: int) -> bool:
        """MKCOL."""
        return self._change("MKCOL", path, {}, b"", 201, refusals, {path: Held()})

    def copy(self, source: Path, target: Path, *refusals: int) -> bool:
        """COPY of a resource, or of a tree, onto nothing or a file."""
        return self._transfer("COPY", source, target, refusals, {})

    def move(self, source: Path, target: Path, *refusals: int) -> bool:
        """MOVE of a resource, or of a tree, onto nothing or a file."""
        return self._transfer("MOVE", source, target, refusals, dict.fromkeys(self._below(source)))

    def delete(self, path: Path, *refusals: int) -> bool:
        """DELETE."""
        gone = dict.fromkeys(self._below(path))
        return self._change("DELETE", path, {}, b"", 204, refusals, gone)

    def patch(self, path: Path, values: Mapping[str, str], *refusals: int) -> bool:
        """PROPPATCH that sets all of ``values``, or none."""
        elements = "".join(
            f'<n:{name} xmlns:n="{NAMESPACE}">{value}</n:{name}>' for name, value in values.items()
        )
        body = (
            f'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>{elements}</D:prop></D:set>'
            "</D:propertyupdate>"
        ).encode()
        old = self.held[path]
        new = Held(old.digest, {**old.properties, **values})
        return self._change("PROPPATCH", path, {}, body, 207, refusals, {path: new})

    def lock(self, path: Path, *refusals: int) -> str:
        """LOCK; gives the token, or nothing where it was refused."""
        old = self.held.get(path)
        answer = self.ask("LOCK", path, {"Depth": "0"}, _LOCKINFO)
        changes = {path: old or Held(digest(b""))}
        done = self._judged("LOCK", path, answer, 200 if old else 201, refusals, changes)
        return answer.headers["lock-token"].strip("<>") if answer and done else ""

    def unlock(self, path: Path, token: str, *refusals: int) -> bool:
        """UNLOCK."""
        return self._change("UNLOCK", path, {"Lock-Token": f"<{token}>"}, b"", 204, refusals, {})

    def ask(
        self, method: str, path: Path, fields: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer | None:
        """One request; None, and a violation, where no whole answer comes."""
        try:
            return self.client.send(self.port(), method, href(path, False), fields, body)
        except Unanswered as error:
            self.violations.append(f"no answer: {error}")
            return None

    def check(self) -> None:
        """Look at everything: nothing is missing, changed, or there for no reason."""
        is_flat = all(len(path) == 1 for path in self.held)
        found = self.seen((), "1" if is_flat else "infinity")
        self._compare("all", {**dict.fromkeys(found), **self.held}, found)
        self.counts["whole looks"] += 1

    def seen(self, path: Path, depth: str = "infinity") -> dict[Path, Held]:
        """A resource and what is below it, as a client sees it, but for the root."""
        listing = self.ask("PROPFIND", path, {"Depth": depth}, _ALLPROP)
        found: dict[Path, Held] = {}
        if listing is None or listing.status != 207:
            if listing is not None and listing.status != 404:
                self.violations.append(f"PROPFIND {href(path, False)}: {listing.status}")
            return found
        for response in multistatus.parse(listing.body):
            here = parse(response.href).path
            if not here:
                continue
            values = {}
            for stat in response.propstats:
                for value in stat.properties:
                    namespace, name = documents.split(str(documents.read_standalone(value).tag))
                    if stat.status == 200 and namespace == NAMESPACE:
                        values[name] = documents.read_standalone(value).text or ""
            content = None if response.href.endswith("/") else self.ask("GET", here)
            if content is not None and content.status != 200:
                self.violations.append(f"GET {response.href}: {content.status}")
            found[here] = Held(digest(content.body) if content else "", values)
        return found

    def _transfer(
        self,
        method: str,
        source: Path,
        target: Path,
        refusals: Collection[int],
        gone: Mapping[Path, None],
    ) -> bool:
        copies = {(*target, *path[len(source) :]): self.held[path] for path in self._below(source)}
        fields = {"Destination": href(target, False)}
        status = 204 if target in self.held else 201
        return self._change(method, source, fields, b"", status, refusals, {**gone, **copies})

    def _change(
        self,
        method: str,
        path: Path,
        fields: Mapping[str, str],
        body: bytes,
        status: int,
        refusals: Collection[int],
        changes: Mapping[Path, Held | None],
    ) -> bool:
        answer = self.ask(method, path, fields, body)
        return self._judged(method, path, answer, status, refusals, changes)

    def _judged(
        self,
        method: str,
        path: Path,
        answer: Answer | None,
        status: int,
        refusals: Collection[int],
        changes: Mapping[Path, Held | None],
    ) -> bool:
        """Whether an answer says that ``changes`` are done, once it is seen to be true."""
        told = f"{method} {href(path, False)}"
        if answer is None:
            return False
        statuses = _statuses(method, answer)
        done = statuses == {status}
        if done:
            self.counts["done"] += 1
            self._keep(changes)
        elif statuses <= {*refusals}:
            self.counts["refused"] += 1
            self.counts.update(f"refused with {status}" for status in statuses)
        else:
            self.violations.append(f"{told}: answered {sorted(statuses)} instead of {status}")
        must = {key: self.held.get(key) for key in changes}
        tops = [key for key in changes if not any(_is_below(key, other) for other in changes)]
        found: dict[Path, Held] = {}
        for top in tops:
            is_tree = any(_is_below(key, top) for key in changes)
            found |= self.seen(top, "infinity" if is_tree else "0")
        now = {key: found.get(key) for key in changes}
        if min(statuses) >= 500 and now != must and now == dict(changes):
            # What has failed was only to keep it: the server has gone on to the end.
            self.counts["refused and rolled forward"] += 1
            self._keep(changes)
        else:
            self._compare(f"{told}, answered {sorted(statuses)}", must, found)
        return done

    def _keep(self, changes: Mapping[Path, Held | None]) -> None:
        for key, value in changes.items():
            if value is None:
                self.held.pop(key, None)
            else:
                self.held[key] = value

    def _compare(
        self, told: str, wanted: Mapping[Path, Held | None], found: Mapping[Path, Held]
    ) -> None:
        """Tell what is not as it must be. It is not told of again when it stays so."""
        for path, value in wanted.items():
            if found.get(path) != value:
                self._keep({path: found.get(path)})
                self.counts["damaged"] += 1
                what = "is gone" if path not in found else "is not what was acknowledged"
                what = "is there" if value is None else what
                self.violations.append(f"{told}: {href(path, False)} {what}")

    def _below(self, top: Path) -> list[Path]:
        return [path for path in self.held if path[: len(top)] == top]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_below(path: Path, other: Path) -> bool:
    return len(path) > len(other) and path[: len(other)] == other


def _statuses(method: str, answer: Answer) -> set[int]:
    """What an answer says: its status, or the failures in a 207."""
    if answer.status != 207:
        return {answer.status}
    found: set[int] = set()
    for response in multistatus.parse(answer.body):
        if response.status is not None:
            found.add(response.status.value)
        for stat in response.propstats:
            if method == "PROPPATCH" and stat.status.value not in (200, 424):
                found.add(stat.status.value)
    return found or {207}
