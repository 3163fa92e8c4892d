"""Names that our own server refuses as malformed; another one before the application might not."""

from pathlib import Path

import pytest

from tests.security.inside import Inside


@pytest.mark.parametrize("host", ["localhost@evil.example", "127.0.0.1@evil.example", "localhost/"])
@pytest.mark.parametrize("method", ["OPTIONS", "GET", "PUT", "DELETE", "PROPFIND"])
def test_a_name_with_more_than_a_name_is_another_host(
    method: str, host: str, tmp_path: Path
) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "f").write_text("1")
    app = Inside(tmp_path / "state.db", {"": tmp_path / "top"})
    assert app(method, "/f", f"Host: {host}").status == 403
    app.close()
    assert (tmp_path / "top" / "f").read_text() == "1"
