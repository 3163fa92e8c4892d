"""Files that many clients read, write and remove: each as a register, and counters by If-Match."""

import threading
from collections import Counter, defaultdict

from tests.faults import contents
from tests.faults.fleet import Asked, Client
from tests.faults.history import ABSENT, ANY, PRESENT, Needs, Op, exactly, other_than, unexplained
from tests.faults.told import Told

SIZES = (60, 60, 2_000, 100_000)


class Records:
    """The history of each URL, and which entity tag belongs to which content."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._mutex = threading.Lock()
        self._ops: dict[str, list[Op]] = defaultdict(list)
        self._tagged: dict[tuple[str, str], str] = {}
        self._latest: dict[str, tuple[str, str]] = {}

    def latest(self, url: str) -> tuple[str, str] | None:
        """The name of the content that was seen last, and its entity tag."""
        return self._latest.get(url)

    def put(self, client: Client, url: str, name: str, needs: Needs = ANY, tag: str = "") -> Asked:
        """Write a content, on a condition: ``tag`` is that of the value which ``needs`` wants."""
        data = contents.content(name, client.random.choice(SIZES))
        fields = [f"If-Match: {tag}"] if tag else ["If-None-Match: *"] if needs == ABSENT else []
        asked = client.ask(f"PUT {url}", *fields, body=data)
        if asked.status == 201:
            met = ABSENT
        elif asked.status == 204:
            met = PRESENT if needs in (ANY, ABSENT) else needs
        elif asked.status == 412 and needs != ANY:
            self._add(url, asked, PRESENT if needs == ABSENT else other_than(needs.value))
            return asked
        elif asked.reply is None:
            self._add(url, asked, needs, name)
            return asked
        else:
            self._unexpected(asked)
            return asked
        # What was conditional has to have met the condition, too.
        if needs not in (ANY, ABSENT if asked.status == 201 else met):
            self._told.wrong("unexplained", f"{asked.line}: {asked.status} in spite of {needs}")
        self._add(url, asked, met, name)
        self._tag(url, asked, name)
        return asked

    def get(self, client: Client, url: str) -> tuple[str, str] | None:
        """Read, and give the name of the content and its entity tag, if there is one."""
        asked = client.ask(f"GET {url}")
        if asked.status == 404:
            self._add(url, asked, ABSENT)
        elif asked.reply and asked.status == 200:
            name = contents.name(asked.reply.body)
            if name is None:
                self._told.wrong("torn_reads", f"{asked.line}: no whole content of anyone")
                return None
            self._add(url, asked, exactly(name))
            self._tag(url, asked, name)
            return name, asked.reply["etag"]
        elif asked.reply:
            self._unexpected(asked)
        return None

    def delete(self, client: Client, url: str) -> None:
        asked = client.ask(f"DELETE {url}")
        if asked.status == 404:
            self._add(url, asked, ABSENT)
        elif asked.status == 204 or asked.reply is None:
            op = Op(asked.start, asked.end, PRESENT, writes=True, told=asked.line)
            self._ops[url].append(op)
        else:
            self._unexpected(asked)

    def verdict(self) -> None:
        """Look for an order that explains each URL's history."""
        for url, ops in sorted(self._ops.items()):
            self._told.count("histories")
            if complaint := unexplained(ops):
                self._told.wrong("unexplained", f"{url}: {complaint}")

    def _add(self, url: str, asked: Asked, needs: Needs, writes: str = "") -> None:
        told = f"{asked.line} ({writes or needs.value}): {asked.status}"
        op = Op(asked.start, asked.end, needs, bool(writes), writes or None, told)
        with self._mutex:
            self._ops[url].append(op)

    def _tag(self, url: str, asked: Asked, name: str) -> None:
        """Each entity tag is of one content, and each content was written once."""
        assert asked.reply is not None
        tag = asked.reply.headers.get("etag", "")
        with self._mutex:
            self._latest[url] = (name, tag)
            for key, value in (((url, tag), name), ((url, name), tag)):
                if self._tagged.setdefault(key, value) != value:
                    other = self._tagged[key]
                    sentence = f"{url}: {key[1]} belongs to {other} and {value}"
                    self._told.wrong("mixed_tags", sentence)

    def _unexpected(self, asked: Asked) -> None:
        # 503 has no effect; what else is no answer to these requests is a fault.
        if asked.status != 503:
            self._told.wrong("unexpected", f"{asked.line} was answered {asked.status}")


class Registers:
    """Four URLs, at which every client does what it likes."""

    players = 5

    def __init__(self, told: Told) -> None:
        self._records = Records(told)

    def begin(self, client: Client) -> None:
        client.until_answered("MKCOL /registers")

    def play(self, client: Client, number: int, stop: threading.Event) -> None:
        turn, records, draw = 0, self._records, client.random
        while not stop.is_set():
            turn += 1
            url, name = f"/registers/{draw.randrange(4)}", f"r{number}.{turn}"
            what, latest = draw.random(), records.latest(url)
            if what < 0.5:
                records.get(client, url)
            elif what < 0.72:
                records.put(client, url, name)
            elif what < 0.84 and latest:
                records.put(client, url, name, exactly(latest[0]), latest[1])
            elif what < 0.9:
                records.put(client, url, name, ABSENT)
            else:
                records.delete(client, url)

    def finish(self, client: Client) -> None:
        for number in range(4):
            self._records.get(client, f"/registers/{number}")
        self._records.verdict()


class Counters:
    """Counters that everyone raises by one, on the condition that nobody else did."""

    players = 3
    urls = ("/counters/0", "/counters/1")

    def __init__(self, told: Told) -> None:
        self._told = told
        self._records = Records(told)
        self._mutex = threading.Lock()
        self._accepted: Counter[tuple[str, int]] = Counter()
        self._unknown: Counter[tuple[str, int]] = Counter()

    def begin(self, client: Client) -> None:
        client.until_answered("MKCOL /counters")
        for url in self.urls:
            while self._records.put(client, url, "0.begin.0").status not in (201, 204):
                pass

    def play(self, client: Client, number: int, stop: threading.Event) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            url = client.random.choice(self.urls)
            found = self._records.get(client, url)
            if found is None:
                continue
            name, tag = found
            count = _count(name) + 1
            needs = exactly(name)
            asked = self._records.put(client, url, f"{count}.{number}.{turn}", needs, tag)
            with self._mutex:
                if asked.status == 204:
                    self._accepted[url, count] += 1
                elif asked.reply is None:
                    self._unknown[url, count] += 1

    def finish(self, client: Client) -> None:
        """Every count up to the last one is of one update; one that was accepted is never more."""
        for url in self.urls:
            found = None
            while found is None:
                found = self._records.get(client, url)
            last = _count(found[0])
            accepted = {n: times for (at, n), times in self._accepted.items() if at == url}
            unknown = {n for at, n in self._unknown if at == url and n <= last}
            lost = sum(times - (n <= last) for n, times in accepted.items())
            self._told.count("accepted", sum(accepted.values()))
            self._told.count("counted", last)
            self._told.count("counted_without_answer", len(unknown.difference(accepted)))
            if lost:
                sentence = f"{url}: {lost} accepted updates are lost"
                self._told.wrong("lost_updates", sentence, lost)
            nobody = [n for n in range(1, last + 1) if n not in accepted and n not in unknown]
            if nobody:
                self._told.wrong("unexplained", f"{url}: counts of nobody: {nobody}")
        self._records.verdict()


def _count(name: str) -> int:
    return int(name.partition(".")[0])


class Winners:
    """All players at once make the same file, round after round: one may."""

    players = 3

    def __init__(self, told: Told) -> None:
        self._told = told
        self._records = Records(told)
        self._meet = threading.Barrier(self.players)
        self._statuses = [0] * self.players

    def begin(self, client: Client) -> None:
        client.until_answered("MKCOL /winners")

    def play(self, client: Client, number: int, stop: threading.Event) -> None:
        turn = 0
        while self._together(stop):
            turn += 1
            url = f"/winners/{turn}"
            asked = self._records.put(client, url, f"{number}.{turn}", ABSENT)
            self._statuses[number] = asked.status
            if not self._together(stop):
                return
            if number == 0:
                self._judge(url)
            self._records.get(client, url)

    def _together(self, stop: threading.Event) -> bool:
        """Wait for the others. Gives False at the end, to all."""
        try:
            if stop.is_set():
                self._meet.abort()
            self._meet.wait()
        except threading.BrokenBarrierError:
            return False
        return True

    def _judge(self, url: str) -> None:
        winners = self._statuses.count(201) + self._statuses.count(204)
        self._told.count("rounds")
        if winners > 1:
            self._told.wrong("double_winners", f"{url}: {winners} have made the same file")
        # Without an answer somebody may have won unseen; a busy server lets nobody win.
        elif not winners and not {0, 503} & set(self._statuses):
            self._told.wrong("double_winners", f"{url}: nobody may make a file that was not there")

    def finish(self, client: Client) -> None:
        del client
        self._records.verdict()
