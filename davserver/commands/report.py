"""What `davserver check` has to tell, as comment lines of TOML."""

from collections.abc import Mapping, Sequence

from davserver.config import shown
from davserver.opening import Ground
from davserver.protocol.paths import Path
from davserver.share.examination import Finding, Trouble
from davserver.state import schema
from davserver.state.inspection import Inspection

MOST = 100
"""Lines that are told of one trouble."""

_REMEDY = "davserver check --repair"


class Report:
    """Lines, and whether one of them tells of something that is wrong."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.is_wrong = False
        self._can_repair = False

    def say(self, line: str) -> None:
        self._lines.append(line)

    def wrong(self, line: str) -> None:
        self.is_wrong = True
        self.say(f"wrong: {line}")

    def mended(self, found: Sequence[Finding]) -> None:
        """What is wrong no longer."""
        told: dict[Trouble, int] = {}
        for one in found:
            told[one.trouble] = told.get(one.trouble, 0) + 1
            if told[one.trouble] <= MOST:
                self.say(f"mended: {shown_path(one.key)}: {_sentence(_MENDED, one)}")
        self._say_more(told)

    def text(self) -> str:
        """All of it, with a verdict at the end."""
        verdict = "sound"
        if self.is_wrong:
            verdict = "something is wrong"
            verdict += f": {_REMEDY} mends what can be mended" if self._can_repair else ""
        return "".join(f"# {_plain(line)}\n" for line in [*self._lines, verdict])

    def grounds(self, grounds: Sequence[Ground], durability: str) -> None:
        """What the file systems can do."""
        for ground in grounds:
            found = ground.features
            uses = ["shares"] if ground.serves else []
            uses += ["state"] if ground.has_state else []
            self.say(f"file system: {ground.mount.point} ({ground.mount.type}; {', '.join(uses)})")
            if found.denied:
                self.say(f"  not tried: {found.denied}")
            else:
                self.say(f"  can: {found.words(True) or 'nothing'}")
                self.say(f"  cannot: {found.words(False) or 'nothing is missing'}")
                self.say(f"  {found.strategy()}")
            if ground.breach and durability == "sync":
                self.say(f"  warning: {ground.warning}")

    def state(self, state: Inspection) -> None:
        """What can be said of the store itself."""
        count = len(state.owners)
        used = f"in use by {count} process{'es' * (count != 1)}" if count else "not in use"
        self.say(f"state: {shown(state.file)}, schema {state.version}, {used}")
        if state.version < schema.VERSION and not state.damage:
            self.say(
                f"  the next start brings it to schema {schema.VERSION}, and keeps a copy as it is"
            )
        for complaint in state.complaints():
            self.wrong(f"{shown(state.file)}: {complaint}")
        if self.is_wrong:
            self.say(
                f"  what to do: stop the server, then put a backup in its place, or let {_REMEDY} "
                "save what can be read into a new file; until then everything is served read-only"
            )

    def findings(self, found: Sequence[Finding], *, is_served: bool = False) -> None:
        """What was found, and what would mend it."""
        told: dict[Trouble, int] = {}
        for one in found:
            told[one.trouble] = told.get(one.trouble, 0) + 1
            if told[one.trouble] > MOST:
                self.is_wrong = self.is_wrong or one.is_wrong
            elif one.trouble is Trouble.REPLACED:
                self.say(f"note: {shown_path(one.key)}: {_sentence(_SENTENCES, one)}")
            elif one.trouble is Trouble.TRASH and is_served:
                self.say(f"note: {shown_path(one.key)}: was removed, and is being discarded")
            else:
                self._can_repair = True
                self.wrong(f"{shown_path(one.key)}: {_sentence(_SENTENCES, one)}")
        self._say_more(told)

    def _say_more(self, told: Mapping[Trouble, int]) -> None:
        for trouble, count in told.items():
            if count > MOST:
                self.say(f"and {count - MOST} more of the kind: {trouble}")


def _sentence(sentences: Mapping[Trouble, str], finding: Finding) -> str:
    return sentences[finding.trouble].format(to=shown_path(finding.to), why=finding.why)


def shown_path(key: Path) -> str:
    """A path of the state as the operating system has it."""
    return shown("/" + "/".join(key))


def _plain(line: str) -> str:
    """TOML has no control characters in its comments, and a name may have any."""
    text = shown(line)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


_SENTENCES = {
    Trouble.ORPHAN: "has locks or properties, and is not there: they are to be dropped",
    Trouble.CHANGED: "has locks or properties of another kind of resource: they are to be dropped",
    Trouble.MOVED: "has locks or properties, and is now {to}: they are to follow it",
    Trouble.REPLACED: "was replaced by another program, and keeps its locks and properties",
    Trouble.UNREADABLE: "cannot be looked at: {why}",
    Trouble.LEFTOVER: "is left over: it is to be removed",
    Trouble.TRASH: "was removed, and is still to be discarded",
    Trouble.STUCK: "is left over, and cannot be removed: {why}",
    Trouble.UNFINISHED: "a server has ended in the middle of an operation ({why}) here",
}

_MENDED = {
    Trouble.ORPHAN: "was not there: its locks and properties are dropped",
    Trouble.CHANGED: "was of another kind: the locks and properties of what was there are dropped",
    Trouble.MOVED: "is now {to}: its locks and properties have followed it",
    Trouble.REPLACED: "was replaced by another program, and has its locks and properties now",
    Trouble.LEFTOVER: "was left over, and is removed",
    Trouble.TRASH: "was still to be discarded, and is gone",
    Trouble.UNFINISHED: "an operation ({why}) that a server had not ended here is finished",
}
