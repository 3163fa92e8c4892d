"""Sends a probe, listens to the end, and says what is wrong with what came."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from tests.wire.probes import CONTENT, FILES, FOLLOW_UP, Probe
from tests.wire.talk import SECONDS, Ended, Reply, Talk


@dataclass(frozen=True)
class Heard:
    """All answers of a connection, interim ones left out where they are due, and how it ended:
    "closed", "reset", "silence", or what made an answer unreadable.
    """

    answers: tuple[Reply, ...]
    end: str


def converse(port: int, probe: Probe, seconds: float = SECONDS) -> Heard:
    """Send a probe, and a sound request behind it; listen until the server closes.

    Every step waits for the answer to the one before. Nothing is awaited that may never come: the
    sound request is answered where the connection was kept, and ends it either way.
    """
    answers: list[Reply] = []
    with Talk(port) as connection:
        connection.socket.settimeout(seconds)
        try:
            _say(connection, probe.sent, is_last=probe.cut)
            _hear(connection, probe, answers)
            if probe.then and answers:
                _say(connection, _filled(probe.then, answers[-1]))
                _hear(connection, probe, answers)
            if not probe.cut:
                _say(connection, FOLLOW_UP, is_last=True)
            while _hear(connection, probe, answers):
                pass
        except ConnectionResetError:
            return Heard(tuple(answers), "reset")
        except TimeoutError:
            return Heard(tuple(answers), "silence")
        except (AssertionError, Ended, ValueError) as error:
            return Heard(tuple(answers), f"unreadable: {error}")
    return Heard(tuple(answers), "closed")


def complaints(probe: Probe, heard: Heard, files: Mapping[str, bytes] = FILES) -> list[str]:
    """What is wrong with what came, and with what is served now; nothing where all is right."""
    wrong = [] if heard.end == "closed" else [f"the end: {heard.end}"]
    asked = [probe.expected, *([probe.then_expected] if probe.then else [])]
    got = heard.answers
    if not got and "closed" in probe.expected:
        asked = []
    for number, expected in enumerate(asked):
        outcome = got[number].status if number < len(got) else heard.end
        if outcome not in expected:
            allowed = " or ".join(sorted(map(str, expected)))
            wrong.append(f"answer {number + 1}: {outcome}, not {allowed}")
    wrong += _about_the_rest(probe, got[len(asked) :])
    if asked and len(got) >= len(asked):
        wrong += _about_the_last(probe, got[len(asked) - 1])
    wrong += _about_the_files(probe, got, files)
    return wrong


def _about_the_rest(probe: Probe, rest: tuple[Reply, ...]) -> list[str]:
    """The answer to the sound request, or none: anything else was answered to somebody else."""
    statuses = [answer.status for answer in rest]
    if not rest:
        return ["the connection was not kept"] if probe.after == "kept" else []
    if probe.after == "closed" or probe.cut:
        return [f"answers that nobody is to get: {statuses}"]
    if statuses != [200] or rest[0].body != CONTENT:
        return [f"the next request got {statuses}"]
    return []


def _about_the_last(probe: Probe, answer: Reply) -> list[str]:
    """The headers and the content of the last answer that is the probe's own."""
    wrong = []
    for name, pattern in probe.has:
        value = answer.headers.get(name)
        if value is None or re.fullmatch(pattern, value) is None:
            wrong.append(f"{name}: {value}, not {pattern}")
    wrong += [f"{name}: {answer[name]}" for name in probe.lacks if name in answer.headers]
    if probe.body is not None and answer.body != probe.body:
        wrong.append(f"content: {answer.body[:80]!r}")
    return wrong


def _about_the_files(probe: Probe, got: tuple[Reply, ...], files: Mapping[str, bytes]) -> list[str]:
    is_stored = probe.stored is not None and bool(got) and 200 <= got[0].status < 300
    expected = FILES | ({"new": probe.stored} if is_stored else {})
    return [] if files == expected else [f"files: {dict(files)}"]


def _say(connection: Talk, data: bytes, *, is_last: bool = False) -> None:
    # Who has been refused already need not be heard out; what was answered is read below.
    with suppress(OSError):
        connection.send(data)
        if is_last:
            connection.end()


def _hear(connection: Talk, probe: Probe, answers: list[Reply]) -> bool:
    """Read an answer; whether there was one."""
    while connection.has_more():
        answer = connection.reply(head=not answers and probe.sent.startswith(b"HEAD "))
        if answer.status == 100 and probe.invited and not answers:
            continue
        answers.append(answer)
        return True
    return False


def _filled(template: bytes, answer: Reply) -> bytes:
    """A request that says what an answer has told. Raises ValueError where it has not."""

    def told(match: re.Match[bytes]) -> bytes:
        name = match[1].decode()
        if name not in answer.headers:
            raise ValueError(f"no {name}")
        value = answer[name].encode("latin-1")
        return value.removeprefix(b"W/").strip(b'"') if match[2] else value

    return re.sub(rb"\{([a-z-]+)(:bare)?\}", told, template)
