"""A file and a collection that are moved to and fro while others look for them."""

import threading

from lxml import etree

from tests.faults import contents
from tests.faults.fleet import Client
from tests.faults.history import Op, exactly, other_than, unexplained
from tests.faults.told import Told

_XML = "Content-Type: application/xml"
_PATCH = (
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><t:note xmlns:t="urn:t">%b</t:note></D:prop>'
    b"</D:set></D:propertyupdate>"
)
_ASK = b'<D:propfind xmlns:D="DAV:"><D:prop><t:note xmlns:t="urn:t"/></D:prop></D:propfind>'
THINGS = {"file": "", "tree": "/deep/member"}
"""What is moved, and the member of it that is looked at."""
PLACES = ("a", "b")


class Moves:
    """Two players move, the others look. Where a thing is is a register with two values: at both
    places or at none it is never seen.
    """

    players = 5
    movers = 2

    def __init__(self, told: Told) -> None:
        self._told = told
        self._mutex = threading.Lock()
        self._ops: dict[str, list[Op]] = {thing: [] for thing in THINGS}

    def begin(self, client: Client) -> None:
        for line in ("MKCOL /moves", "MKCOL /moves/tree-a", "MKCOL /moves/tree-a/deep"):
            client.until_answered(line)
        for thing, member in THINGS.items():
            url = f"/moves/{thing}-a{member}"
            client.until_answered(f"PUT {url}", body=contents.content(thing, 100))
            client.until_answered(f"PROPPATCH {url}", _XML, body=_PATCH % thing.encode())

    def play(self, client: Client, number: int, stop: threading.Event) -> None:
        while not stop.is_set():
            thing = client.random.choice(list(THINGS))
            if number < self.movers:
                self._move(client, thing)
            else:
                self._look(client, thing)

    def _move(self, client: Client, thing: str) -> None:
        source, target = client.random.sample(PLACES, 2)
        overwrite = client.random.choice("TF")
        fields = (f"Destination: /moves/{thing}-{target}", f"Overwrite: {overwrite}")
        asked = client.ask(f"MOVE /moves/{thing}-{source}", *fields)
        if asked.status in (0, 201):
            op = Op(asked.start, asked.end, exactly(source), True, target, f"{asked.line}: 201")
            self._told.count("moves", asked.status == 201)
        elif asked.status == 404:
            told = f"{asked.line}: {asked.status}"
            op = Op(asked.start, asked.end, other_than(source), told=told)
        elif asked.status == 412 and overwrite == "F":
            # Something is at the target: in time, then, it was no longer at its source.
            told = f"{asked.line}: {asked.status}"
            op = Op(asked.start, asked.end, exactly(target), told=told)
        else:
            # 204 says that there was something at both places.
            if asked.status != 503:
                self._told.wrong("both_or_neither", f"{asked.line} was answered {asked.status}")
            return
        with self._mutex:
            self._ops[thing].append(op)

    def _look(self, client: Client, thing: str) -> None:
        place = client.random.choice(PLACES)
        url = f"/moves/{thing}-{place}{THINGS[thing]}"
        if client.random.random() < 0.3:
            asked = client.ask(f"PROPFIND {url}", "Depth: 0", _XML, body=_ASK)
        else:
            asked = client.ask(f"GET {url}")
            if asked.reply and asked.status == 200 and contents.name(asked.reply.body) != thing:
                self._told.wrong("torn_reads", f"{asked.line}: not what was moved")
        if asked.status not in (200, 207, 404):
            if asked.status not in (0, 503):
                self._told.wrong("unexpected", f"{asked.line} was answered {asked.status}")
            return
        needs = other_than(place) if asked.status == 404 else exactly(place)
        self._told.count("looks")
        op = Op(asked.start, asked.end, needs, told=f"{asked.line}: {asked.status}")
        with self._mutex:
            self._ops[thing].append(op)

    def finish(self, client: Client) -> None:
        """Each thing is at one place, with its property."""
        for thing, member in THINGS.items():
            self._told.count("histories")
            if complaint := unexplained(self._ops[thing], "a"):
                self._told.wrong("both_or_neither", complaint)
            notes = []
            for place in PLACES:
                url = f"/moves/{thing}-{place}{member}"
                asked, _ = client.until_answered(f"PROPFIND {url}", "Depth: 0", _XML, body=_ASK)
                if asked.reply and asked.status == 207:
                    found = etree.fromstring(asked.reply.body).find(".//{urn:t}note")
                    notes.append("" if found is None else found.text)
            if notes != [thing]:
                self._told.wrong("both_or_neither", f"{thing} has at its places the notes {notes}")
