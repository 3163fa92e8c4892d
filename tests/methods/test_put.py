"""PUT: what an overwritten file keeps."""

import subprocess
from pathlib import Path

from tests.running import lacking, program
from tests.security.inside import Inside


def test_an_overwritten_file_keeps_exactly_its_acl(tmp_path: Path) -> None:
    """What its collection would give to a new file does not widen the access to an old one."""
    setfacl, getfacl = program("setfacl", "acl"), program("getfacl", "acl")
    top = tmp_path / "top"
    top.mkdir()
    (top / "f").write_text("old")
    (top / "f").chmod(0o660)
    given = subprocess.run([setfacl, "-d", "-m", "u:nobody:rwx", str(top)], check=False)
    if given.returncode:
        lacking("this file system keeps no ACLs")
    app = Inside(tmp_path / "state.db", {"": top})
    before = subprocess.check_output([getfacl, "-cp", str(top / "f")])
    assert app("PUT", "/f", body=b"new").status == 204
    assert app("PUT", "/new", body=b"new").status == 201
    app.close()
    assert subprocess.check_output([getfacl, "-cp", str(top / "f")]) == before
    assert b"user:nobody" in subprocess.check_output([getfacl, "-cp", str(top / "new")])
