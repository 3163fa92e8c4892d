"""Plays a case: every line in its order, until one does not hold."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from tests.scripts import actions, expect, language, sound, world
from tests.scripts.language import Case, Exchange, Line, ScriptError
from tests.scripts.ways import Reply, Sent
from tests.scripts.world import World

HOST = "localhost"
LOCKINFO = (
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:%s/></D:lockscope>'
    "<D:locktype><D:write/></D:locktype></D:lockinfo>"
)
NAMES = {scope: LOCKINFO % scope for scope in ("exclusive", "shared")}
"""What every script knows."""


class Mismatch(AssertionError):
    """What a script expects does not hold: where, and what there was instead."""


def play(case: Case, on: World) -> None:
    """Raises Mismatch or ScriptError, both with file and line."""
    __tracebackhide__ = True
    names = dict(NAMES)
    try:
        for line in case.lines:
            with _told(case, line):
                if isinstance(line, Exchange):
                    _exchange(case, line, on, names)
                elif line.word == "let":
                    _let(line, names)
                else:
                    actions.ACTIONS[line.word](on, _filled(line, names))
    finally:
        on.end()


def _exchange(case: Case, exchange: Exchange, on: World, names: dict[str, str]) -> None:
    __tracebackhide__ = True
    if not on.runs:
        on.start()
    sent = _sent(exchange, names)
    before = sound.Before(on)
    with _told(case, exchange, sent):
        reply = on.way.send(sent)
    with _told(case, exchange, sent, reply):
        assert reply.status == exchange.status, f"the answer is {reply.status}"
        sound.check(sent, reply, on)
        before.check(sent, reply)
        if sent.method == "GET" and not any(name == "Range" for name, _ in sent.headers):
            sound.check_head(reply, on.way.send(replace(sent, method="HEAD")))
    for line in exchange.details:
        with _told(case, line, sent, reply):
            if line.word == "keep":
                names[line.arguments["name"]] = expect.kept(reply, line)
            elif line.word in expect.EACH:
                expect.EACH[line.word](reply, _filled(line, names).arguments, on)
    for word, check in expect.TOGETHER.items():
        lines = [_filled(line, names) for line in exchange.named(word)]
        if lines:
            with _told(case, lines[0], sent, reply):
                check(reply, [line.arguments for line in lines], on)


def _sent(exchange: Exchange, names: Mapping[str, str]) -> Sent:
    headers = {"Host": HOST}
    if exchange.user is not None:
        credentials = f"{exchange.user}:{world.password(exchange.user)}"
        headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    if exchange.destination is not None:
        headers["Destination"] = exchange.destination
    headers |= exchange.headers
    for line in exchange.named(">"):
        name = line.arguments["name"]
        headers[name] = line.arguments.get("value", "")
        if not headers[name]:
            del headers[name]
    texts = [line.arguments["text"] for line in exchange.named("body")]
    texts += ["\n".join(line.arguments["raw"] for line in exchange.named("|"))]
    body = language.octets(language.fill("".join(texts), names))
    announced: int | None = len(body)
    for line in exchange.named("announces"):
        announced = int(line.arguments["length"])
    if exchange.named("chunked"):
        announced = None
    return Sent(
        language.fill(exchange.method, names),
        language.fill(exchange.target, names),
        tuple((name, language.fill(value, names)) for name, value in headers.items()),
        body,
        announced,
    )


def _let(line: Line, names: dict[str, str]) -> None:
    text = language.fill(line.arguments["text"], names)
    if "times" in line.arguments:
        numbers = range(int(line.arguments["times"]))
        text = "".join(text.replace("{n}", str(number)) for number in numbers)
    names[line.arguments["name"]] = text


def _filled(line: Line, names: Mapping[str, str]) -> Line:
    arguments = {key: language.fill(value, names) for key, value in line.arguments.items()}
    return replace(line, arguments=arguments)


@contextmanager
def _told(
    case: Case, line: Line | Exchange, sent: Sent | None = None, reply: Reply | None = None
) -> Iterator[None]:
    """Say in which line something has failed, what was sent and what the answer was."""
    __tracebackhide__ = True
    where = f"{case.file.name}:{line.number}: {line.text}"
    try:
        yield
    except Mismatch:
        raise
    except ScriptError as error:
        if str(error).startswith(f"{case.file.name}:"):
            raise
        raise ScriptError(f"{where}\n  {error}") from error
    except AssertionError as error:
        told = "".join(f"\n{one}" for one in (sent, reply) if one is not None)
        raise Mismatch(f"{where}\n  {error}{told}") from None
