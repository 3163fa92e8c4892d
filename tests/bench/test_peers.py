"""Every server does every workload, or what it is said to lack shows in what it answers."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.bench import peers, workloads
from tests.bench.answers import Wrong
from tests.bench.client import Client
from tests.bench.more_peers import PEERS
from tests.bench.peers import Peer, Server
from tests.bench.workloads import Workload
from tests.running import entries, missing

SCALE = 0.003
# Locks of files that went past the server would be in the way of the next workload.
APART = ("locks", "locks-1000")
GROUPS = {
    "wrk": ("depth-0", "get-1k", "get-100k"),
    "rclone": ("rclone-up", "rclone-down"),
    **{name: (name,) for name in APART},
}
GROUPS["others"] = tuple(
    name for name in workloads.every(SCALE) if not any(name in each for each in GROUPS.values())
)
SERVERS: dict[str, Peer] = {
    "davserver": peers.ours(peers.RENAME),
    **{name: peer for name, peer in PEERS.items() if not peer.only},
}


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that a server may pass which drops root's rights, as pytest's own may not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_does_what_it_is_not_said_to_lack(name: str, group: str, ground: Path) -> None:
    peer = SERVERS[name]
    if why := peer.missing() or workloads.missing(GROUPS[group][0]):
        missing(why)
    place = ground / name
    (place / "root").mkdir(parents=True)
    (place / "root").chmod(0o777)
    with peer.serve(place) as server:
        for each in GROUPS[group]:
            workload = workloads.every(SCALE)[each]
            refused = pytest.raises(Wrong) if each in peer.lacks else contextlib.nullcontext()
            with refused:
                # As it is measured: the first answer is judged to the last byte.
                done(server, workload, (True,) if group == "wrk" else (True, False))


def done(server: Server, workload: Workload, looks: Sequence[bool]) -> None:
    """Lay a tree below a server that runs, and let it do the workload. Raises Wrong."""
    clear(entries(server.root))
    workload.lay(server.root, seed=7)
    server.settle()
    client = Client()
    workload.arrange(server, client)
    for thorough in looks:
        assert workload.ask(server, client, thorough=thorough).seconds > 0


def clear(left: Sequence[Path]) -> None:
    """Remove what another workload has left, past the server."""
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
