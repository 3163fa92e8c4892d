"""Bugs that could be made, and for each the test that must catch it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: in ``file``, below `davserver`, the text ``old``, which is there once, becomes
    ``new``. ``test`` is the one that fails then, by its name for pytest.
    """

    name: str
    bug: str
    file: str
    old: str
    new: str
    test: str


def _killed(case: str) -> str:
    return f"tests/share/test_crashes.py::test_a_kill_at_any_step[{case}, {_PLAIN}]"


def _safe(case: str) -> str:
    return f"tests/share/test_durable.py::test_what_is_answered_is_safe[{case}]"


def _kept(case: str) -> str:
    return f"tests/contract/test_state_properties.py::{case}"


_PLAIN = "a file system that can do all"

DURABILITY = (
    Mutant(
        "content-unsynced",
        "The content of a PUT is not synced before it has its name.",
        "tree/upload.py",
        "            os.fsync(self.fd)\n",
        "            pass\n",
        _safe("PUT over a file"),
    ),
    Mutant(
        "content-synced-again",
        "An fsync that failed is tried again, and then succeeds without the content.",
        "tree/upload.py",
        "            os.fsync(self.fd)\n",
        "            try:\n"
        "                os.fsync(self.fd)\n"
        "            except OSError:\n"
        "                os.fsync(self.fd)\n",
        "tests/share/test_durable.py"
        "::test_content_that_the_disk_did_not_take_is_not_stored[/d/plain]",
    ),
    Mutant(
        "directory-unsynced",
        "The directories whose names have changed are not synced.",
        "share/names.py",
        "self._changed.popitem()[1].sync()",
        "self._changed.popitem()",
        _safe("MKCOL"),
    ),
    Mutant(
        "intent-forgotten-early",
        "The intent is forgotten before the names that it is about are synced.",
        "share/steps.py",
        "        self.writer.remove_intent(intent.id)\n        self.names.sync()\n",
        "        self.writer.remove_intent(intent.id)\n",
        _safe("MOVE of a tree"),
    ),
    Mutant(
        "copy-unsynced",
        "The copy of a tree takes its place before it is synced.",
        "methods/building.py",
        "directory.sync_all()",
        "pass",
        _safe("COPY of a tree"),
    ),
    Mutant(
        "rows-unsynced",
        "SQLite syncs no commit.",
        "state/sqlite.py",
        '"FULL" if durable else "NORMAL"',
        '"NORMAL"',
        "tests/state/test_sqlite.py::test_a_commit_is_synced_where_that_was_promised[True-2]",
    ),
)

ATOMICITY = (
    Mutant(
        "move-without-intent",
        "The intent of a MOVE is not committed before the names change.",
        "share/steps.py",
        "        kept = self.writer.add_intent(intent)\n        self.writer.commit()\n",
        "        kept = self.writer.add_intent(intent)\n",
        _killed("MOVE a tree onto a collection"),
    ),
    Mutant(
        "lock-without-intent",
        "The file of a LOCK on nothing yet appears before its lock is kept.",
        "share/section.py",
        "        granted = self._add_lock(place, wanted, stamp)\n        self.writer.commit()\n",
        "        granted = self._add_lock(place, wanted, stamp)\n",
        _killed("LOCK nothing yet"),
    ),
    Mutant(
        "recovery-drops",
        "The recovery drops what it should finish.",
        "share/recovery.py",
        "    return _RECOVER[intent.operation](section, intent)\n",
        "    return _drop(section, intent)\n",
        _killed("MOVE a tree onto a collection"),
    ),
    Mutant(
        "proppatch-in-steps",
        "PROPPATCH commits each property by itself.",
        "share/section.py",
        "self.writer.set_property(place.key, change.name, change.value, stamp)\n",
        "self.writer.set_property(place.key, change.name, change.value, stamp)\n"
        "                self.writer.commit()\n",
        _killed("PROPPATCH with a time"),
    ),
    Mutant(
        "replaced-removed-first",
        "The collection in the way is removed before the new one has its name.",
        "share/steps.py",
        "            old.exchange(place.name, new, target.name)\n",
        "            target.share.tree.discard(target.local)\n"
        "            old.rename(place.name, new, target.name)\n",
        _killed("COPY a tree onto a collection"),
    ),
    Mutant(
        "copy-in-sight",
        "A tree is copied under a name that everybody sees.",
        "share/names.py",
        "    return Place(place.share, (*place.path[:-1], own_name()))\n",
        '    return Place(place.share, (*place.path[:-1], f"{place.name}.copy"))\n',
        "tests/methods/test_copy.py::test_nobody_sees_half_a_copy",
    ),
)

TOGETHER = (
    Mutant(
        "asked-once",
        "Conditions and locks of a PUT are not asked again where it is committed.",
        "methods/put.py",
        "                with shares.section(place, settle=settle) as section:\n"
        "                    found = settle(section)\n",
        "                found = settle(shares.view())\n"
        "                with shares.section(place) as section:\n",
        "tests/methods/test_asked_twice.py"
        "::test_what_others_did_meanwhile_counts[PUT over what is locked]",
    ),
    Mutant(
        "lock-asked-once",
        "Whether a LOCK is in the way of another is not asked where it is granted, but before.",
        "methods/lock.py",
        "            section = held.enter_context(shares.section(place, settle=settle))\n"
        "            settled = settle(section)\n",
        "            settled = settle(shares.view())\n"
        "            section = held.enter_context(shares.section(place, settle=settle))\n",
        "tests/methods/test_asked_twice.py"
        "::test_what_others_did_meanwhile_counts[LOCK of what is locked]",
    ),
    Mutant(
        "open-gate",
        "Who is early because another one was killed does not wait for the holder of the gate.",
        "state/gate.py",
        "            fcntl.flock(gate, fcntl.LOCK_EX)\n",
        "",
        "tests/state/test_gate.py::test_a_gap_in_the_queue_lets_nobody_in",
    ),
    Mutant(
        "claims-ignored",
        "Nobody waits for a tree operation that is under way.",
        "shares.py",
        "return all(claims.are_apart(wanted, intent) for intent in found if intent not in orphans)",
        "return True",
        "tests/share/test_claims.py::test_patience_has_an_end[PUT below]",
    ),
)

ROWS = (
    Mutant(
        "prefix-of-text",
        "What only begins like the path of a collection is taken for its member.",
        "state/keys.py",
        'return [own, own + b"/", own + b"0"]',
        'return [own, own, own + b"\\xff"]',
        _kept("test_properties_follow_a_move[one store-a tree deeper]"),
    ),
    Mutant(
        "every-occurrence",
        "A MOVE replaces the path of the source wherever it comes in that of a member.",
        "state/changes.py",
        'f"UPDATE property SET parent = CAST(? || substr(parent, ?) AS BLOB) WHERE {BELOW}"',
        '"UPDATE property SET parent = CAST("\n'
        '            f"replace(parent, substr(parent, 1, ?2 - 1), ?1) AS BLOB) WHERE {BELOW}"',
        _kept("test_a_repeated_name_is_replaced_only_once[one store]"),
    ),
    Mutant(
        "old-rows-inherited",
        "A new resource keeps the rows of what had its name.",
        "share/steps.py",
        "            self.forget(place)\n            self.writer.commit()\n",
        "            self.writer.commit()\n",
        "tests/methods/test_vanished.py::test_a_new_resource_has_nothing_of_an_old_one[PUT]",
    ),
    Mutant(
        "kind-ignored",
        "The lock of a file holds for a collection that has its name now.",
        "protocol/resources.py",
        "return facts is not None and self.kind in (0, kind(facts))",
        "return facts is not None",
        "tests/methods/test_vanished.py"
        "::test_another_kind_of_resource_has_nothing_of_the_old_one[/f-make_collection]",
    ),
    Mutant(
        "lock-of-nothing",
        "A lock holds on when what it was for has vanished.",
        "protocol/resources.py",
        "return facts is not None and self.kind in (0, kind(facts))",
        "return facts is None or self.kind in (0, kind(facts))",
        "tests/methods/test_vanished.py::test_a_lock_ends_with_what_it_was_for[/f]",
    ),
    Mutant(
        "inode-alone",
        "An inode number that is used again is taken for the same resource.",
        "protocol/resources.py",
        "return self.kind == other.kind and "
        "(self.born == other.born or not self.born * other.born)",
        "return True",
        "tests/tree/test_identity.py::test_what_is_not_known_tells_nothing_apart"
        "[one1-other1-False]",
    ),
)

ANSWERS = (
    Mutant(
        "short-body",
        "A body that ends before its announced length is stored.",
        "wsgi.py",
        "        if rest:\n            raise faults.short_body()\n",
        "        if rest:\n            return\n",
        "tests/wire/test_bodies.py::test_a_body_that_ends_early_changes_nothing[100-over a file]",
    ),
    Mutant(
        "wrong-digest",
        "Content that has not the digest that was sent with it is stored.",
        "protocol/digests.py",
        "                raise faults.wrong_digest(header)\n",
        "                pass\n",
        "tests/protocol/test_digests.py::test_one_wrong_digest_among_right_ones_is_enough",
    ),
    Mutant(
        "etag-in-seconds",
        "Two contents of one size within one second have one entity tag.",
        "protocol/resources.py",
        "{facts.st_size:x}-{facts.st_mtime_ns:x}",
        "{facts.st_size:x}-{facts.st_mtime_ns // NANO:x}",
        "tests/protocol/test_values.py::test_facts",
    ),
    Mutant(
        "broken-disk-is-full",
        "An error of the disk is told as a lack of space.",
        "protocol/faults.py",
        "    errno.ENOSPC: _FULL,\n",
        "    errno.ENOSPC: _FULL,\n    errno.EIO: _FULL,\n",
        "tests/protocol/test_values.py::test_errors_of_the_system_become_faults_without_a_path",
    ),
    Mutant(
        "trash-in-the-way",
        "A disk is full although there is trash on it.",
        "share/leftovers.py",
        "        return self._empty() > 0\n",
        "        return False\n",
        "tests/share/test_room.py::test_the_trash_is_emptied_before_a_disk_is_full",
    ),
    Mutant(
        "damage-ignored",
        "A store with a spoiled page is written to.",
        "state/sqlite.py",
        '        if found != "ok":\n',
        "        if not found:\n",
        "tests/state/test_sqlite.py::test_a_store_with_a_spoiled_page_is_not_written_to",
    ),
    Mutant(
        "links-followed",
        "A symbolic link on the way to what is written is followed.",
        "tree/confined.py",
        "(0 if follow else _RESOLVE_NO_SYMLINKS)",
        "0",
        "tests/security/test_symlinks.py::test_nothing_is_written_through_a_link[openat2-deep/new]",
    ),
)

MUTANTS = (*DURABILITY, *ATOMICITY, *TOGETHER, *ROWS, *ANSWERS)
