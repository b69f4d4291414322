"""A file is the old one or the new one, whatever happens while it is written."""

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.store import atomic
from sdgraph.store.atomic import replaced
from sdgraph.store.load import load
from sdgraph.store.save import save

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and signals of POSIX")


def write(content):
    return lambda file: file.write(content)


def put(path, content, *, keep=False, fsync=False):
    return replaced(path, write(content), fsync=fsync, keep=keep)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_it_makes_and_replaces(tmp_path):
    path = tmp_path / "m"
    assert put(path, b"one") == path and path.read_bytes() == b"one"
    put(path, b"two")
    assert path.read_bytes() == b"two" and names(tmp_path) == ["m"]


def test_the_last_one_is_kept_if_asked(tmp_path):
    path = tmp_path / "m"
    put(path, b"one", keep=True)
    assert names(tmp_path) == ["m"]
    put(path, b"two", keep=True)
    put(path, b"three", keep=True)
    assert path.read_bytes() == b"three" and (tmp_path / "m~").read_bytes() == b"two"
    assert names(tmp_path) == ["m", "m~"]


@posix
def test_permissions_and_links_stay(tmp_path):
    path, link = tmp_path / "m", tmp_path / "link"
    before = os.umask(0o027)
    try:
        put(path, b"one")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(before)
    path.chmod(0o604)
    link.symlink_to(path)
    put(link, b"two")
    assert link.is_symlink() and path.read_bytes() == b"two" and stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, MemoryError])
def test_what_goes_wrong_leaves_the_old_one(tmp_path, error):
    path = tmp_path / "m"
    put(path, b"one")

    def broken(file):
        file.write(b"half")
        raise error

    with pytest.raises(error):
        replaced(path, broken, fsync=False, keep=False)
    assert path.read_bytes() == b"one" and names(tmp_path) == ["m"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_interrupt_at_each_stage(tmp_path, monkeypatch, call):
    path = tmp_path / "m"
    put(path, b"one")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, call, stop)
    with pytest.raises(KeyboardInterrupt):
        put(path, b"two", fsync=True)
    monkeypatch.undo()
    assert path.read_bytes() == b"one" and names(tmp_path) == ["m"]


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def noted(*args, _real=real, _name=name):
            done.append("folder" if _name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode) else _name)
            return _real(*args)

        monkeypatch.setattr(atomic.os, name, noted)
    put(tmp_path / "m", b"one", fsync=True)
    assert done == ["fsync", "replace", *(["folder"] if hasattr(os, "O_DIRECTORY") else [])]
    done.clear()
    put(tmp_path / "m", b"one", fsync=False)
    assert done == ["replace"]


@posix
def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "m"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours, other, foreign = (
        tmp_path / f".m.{os.getpid()}.00000000.tmp",
        tmp_path / f".n.{gone.pid}.00000000.tmp",
        tmp_path / ".m.tmp",
    )
    left, old = tmp_path / f".m.{gone.pid}.0123abcd.tmp", tmp_path / f".m.{os.getpid()}.0123abcd.tmp"
    for p in (ours, other, foreign, left, old):
        p.write_bytes(b"")
    os.utime(old, (0, time.time() - 2 * 86_400))
    put(path, b"one")
    assert names(tmp_path) == sorted(p.name for p in (ours, other, foreign, path))


@posix
def test_a_full_disk(tmp_path):
    path = tmp_path / "m"
    put(path, b"one")
    code = (
        "import resource, signal, sys\n"
        "from sdgraph.store.atomic import replaced\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: replaced(sys.argv[1], lambda f: f.write(bytes(5000)), fsync=False, keep=False)\n"
        "except OSError as e: print(type(e).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "OSError\n"
    assert path.read_bytes() == b"one" and names(tmp_path) == ["m"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


LOOP = """
import sys
import numpy as np
from sdgraph import SameDiff
from sdgraph.store.save import save
sd = SameDiff()
w = sd.var("w", np.zeros(200_000))
k = 0
print("ready", flush=True)
while True:
    k += 1
    w.value = np.full(200_000, float(k))
    save(sd, sys.argv[1], user={"k": str(k)}, origins=False, keep=False, fsync=False)
"""


@posix
@pytest.mark.slow
def test_a_process_that_is_killed_while_it_saves(tmp_path):
    path = tmp_path / "m.sdg"
    sd = SameDiff()
    sd.var("w", np.zeros(200_000))
    save(sd, path, user={}, origins=False, keep=False, fsync=False)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(25):
        loop = subprocess.Popen([sys.executable, "-c", LOOP, str(path)], stdout=subprocess.PIPE)
        assert loop.stdout is not None and loop.stdout.readline()
        for _ in range(4):
            # Whoever looks meanwhile finds a whole file.
            values = load(SameDiff, path, ops=(), mmap=False, verify=True)["w"].value
            assert (values == values[0]).all()
            time.sleep(float(rng.uniform(0, 0.02)))
        loop.send_signal(signal.SIGKILL)
        loop.communicate()
        values = load(SameDiff, path, ops=(), mmap=False, verify=True)["w"].value
        assert (values == values[0]).all()
        seen.add(float(values[0]))
    assert len(seen) > 5
    save(sd, path, user={}, origins=False, keep=False, fsync=False)
    assert names(tmp_path) == ["m.sdg"]


def test_the_path_may_be_a_text_or_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert put("m", b"one") == Path("m") and Path("m").read_bytes() == b"one"
