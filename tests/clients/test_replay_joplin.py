"""Joplin: makes its folders, writes notes and lock files, lists and deletes.

From its source (WebDavApi.js, file-api-driver-webdav.js). Every request but GET and HEAD has an
`If-None-Match` that is no entity tag, so that no cache of its own system can spoil it.
"""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from itertools import count

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.clients.replay import DAV, Body, Reply, Session, basic

FIND = b"""<?xml version="1.0" encoding="UTF-8"?>
\t\t\t<d:propfind xmlns:d="DAV:">
\t\t\t\t<d:prop xmlns:oc="http://owncloud.org/ns">
\t\t\t\t\t<d:getlastmodified/><d:resourcetype/>
\t\t\t\t</d:prop>
\t\t\t</d:propfind>"""
FOLDERS = (".sync/", ".lock/", ".resource/", "locks/", "temp/")


class Joplin(Session):
    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            Cache_Control="no-store",
            User_Agent="Joplin/1.0",
            Accept="*/*",
            Authorization=basic(USER, PASSWORD),
            Connection="keep-alive",
        )
        self.numbers = count(57_203)

    def call(self, method: str, path: str = "", body: Body = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if method not in ("GET", "HEAD"):
            sent["If-None-Match"] = f"JoplinIgnore-{next(self.numbers)}"
        match method:
            case "PROPFIND":
                sent["Content-Type"] = "text/xml"
            case "PUT":
                sent["Content-Type"] = "text/plain"
        return self.send(method, f"/notes/{path}", sent, body)

    def find(self, path: str, depth: str) -> Reply:
        return self.call("PROPFIND", path, FIND, Depth=depth)


@pytest.fixture
def joplin(guarded: Served) -> Iterator[Joplin]:
    (guarded.root / "notes").mkdir()
    with Joplin(guarded.url) as joplin:
        yield joplin


def test_its_folders_are_made_once(guarded: Served, joplin: Joplin) -> None:
    root = joplin.find("", "0").members["/notes/"]
    assert root.is_folder
    assert parsedate_to_datetime(root.text(f"{DAV}getlastmodified"))

    assert joplin.call("GET", "info.json").status == 404
    for folder in FOLDERS:
        # A real 404, not one inside of a 207.
        assert joplin.find(folder, "0").status == 404
        assert joplin.call("MKCOL", folder).status == 201
        assert joplin.call("MKCOL", folder).status == 405
    assert joplin.call("MKCOL", "none/folder/").status == 409

    listed = joplin.find("", "1").members
    assert set(listed) == {"/notes/", *(f"/notes/{folder}" for folder in FOLDERS)}
    assert all(member.is_folder for member in listed.values())


def test_a_note_is_written_read_listed_and_deleted(guarded: Served, joplin: Joplin) -> None:
    name = "94d8c3d1b6e34ba8a1d3b27a41f1c2f4.md"

    assert joplin.find(name, "0").status == 404
    assert joplin.call("PUT", name, "Grüße\n\nid: 94d8".encode()).status == 201
    assert joplin.call("PUT", name, "Grüße!\n\nid: 94d8".encode()).status == 204
    assert joplin.call("GET", name).body.decode() == "Grüße!\n\nid: 94d8"

    listed = joplin.find("", "1").members
    assert set(listed) == {"/notes/", f"/notes/{name}"}
    assert not listed[f"/notes/{name}"].is_folder
    assert parsedate_to_datetime(listed[f"/notes/{name}"].text(f"{DAV}getlastmodified"))

    assert joplin.call("DELETE", name).status == 204
    # It takes this for success.
    assert joplin.call("DELETE", name).status == 404
    assert digests.tree(guarded.root) == {"notes": digests.FOLDER}


def test_a_lock_file_lives_a_second(guarded: Served, joplin: Joplin) -> None:
    assert joplin.call("MKCOL", "locks/").status == 201

    for number in range(3):
        name = f"locks/2_1_{number}a4f2a41f1c2f494d8c3d1b6e34ba8.json"
        assert joplin.call("PUT", name, b'{"type":2,"clientType":1}').status == 201
        assert set(joplin.find("locks/", "1").members) == {"/notes/locks/", f"/notes/{name}"}
        assert joplin.call("DELETE", name).status == 204
    assert set(joplin.find("locks/", "1").members) == {"/notes/locks/"}


def test_a_note_is_moved_over_another(guarded: Served, joplin: Joplin) -> None:
    (guarded.root / "notes" / "temp").mkdir()
    joplin.call("PUT", "temp/a.md", b"new")
    joplin.call("PUT", "a.md", b"old")

    there = f"{guarded.url}/notes/a.md"
    moved = joplin.call("MOVE", "temp/a.md", Destination=there, Overwrite="T")
    assert moved.status == 204

    assert (guarded.root / "notes" / "a.md").read_bytes() == b"new"
    assert joplin.call("GET", "temp/a.md").status == 404


def test_a_wrong_password_is_told(guarded: Served, joplin: Joplin) -> None:
    joplin.headers["Authorization"] = basic(USER, "wrong")

    assert joplin.find("", "0").status == 401
    assert joplin.call("PUT", "info.json", b"{}").status == 401
    assert digests.tree(guarded.root) == {"notes": digests.FOLDER}
