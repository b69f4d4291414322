"""Compiled code on disk: damaged and foreign entries, many processes at once, other versions."""

import itertools
import os
import stat
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph.run.engines.llvm.translate import disk, machine
from tests.groups import first_and_slow

# Four kernels of its own and the way in from Python; then the number of kernels compiled.
PROGRAM = """
import numpy as np
from sdgraph import SameDiff
from sdgraph.run.engines.llvm.translate import machine

x_value = np.linspace(-2, 2, 1000, dtype=np.float32)
sd = SameDiff()
x = sd.placeholder("x", shape=(None,))
results = [
    sd.compile(y, engine="llvm")(x=x_value)[y.name]
    for y in (
        sd.math.exp(x).sum(name="a"),
        sd.math.tanh(x).mean(name="b"),
        sd.math.square(x).max(name="c"),
        (x + 3.0).min(name="d"),
    )
]
want = [np.exp(x_value.astype(float)).sum(), 0.0, 4.0, 1.0]
assert np.allclose(results, want, rtol=1e-6, atol=1e-6), (results, want)
machine.settled()
print(machine.compiled_count)
"""
KERNELS = 5


def started(folder, **environment):
    env = {**os.environ, "SDGRAPH_CACHE_DIR": str(folder), **environment}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, stdout=pipe, stderr=pipe, text=True)


def compiled(process):
    """How many kernels the process compiled; it must have ended well and silently."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and not err, err
    return int(out)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_and_foreign_code_is_ignored(seed, tmp_path, monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    disk.store("key", b"code" * 100)
    assert disk.load("key") == b"code" * 100
    assert disk.load("other") is None
    [file] = tmp_path.glob("*.kernel")
    data = bytearray(file.read_bytes())
    k = int(np.random.default_rng(seed).integers(len(data)))
    data[k] ^= 1
    file.write_bytes(data)
    assert disk.load("key") is None
    file.write_bytes(data[:k])
    assert disk.load("key") is None
    disk.store("key", b"code")
    os.chmod(file, 0o666)
    assert disk.load("key") is None
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    os.chmod(file, 0o600)
    assert disk.load("key") is None


def test_the_next_process_compiles_nothing(tmp_path):
    assert compiled(started(tmp_path)) == KERNELS
    assert compiled(started(tmp_path)) == 0


@pytest.mark.parametrize("found", first_and_slow(["damage", "nothing"], 1))
def test_many_processes_at_once(found, tmp_path):
    """Whoever comes first writes; all have right results, and only whole entries are left."""
    if found == "damage":
        compiled(started(tmp_path))
        files = sorted(tmp_path.iterdir())
        files[0].write_bytes(b"")
        files[1].write_bytes(files[1].read_bytes()[:-100])
        whole = files[2].read_bytes()
        files[2].write_bytes(whole[:60] + bytes(b ^ 255 for b in whole[60:90]) + whole[90:])
        files[3].write_bytes(files[4].read_bytes())  # Another entry's code.
    several = [started(tmp_path) for _ in range(5)]
    most = KERNELS if found == "nothing" else KERNELS - 1
    assert all(0 <= compiled(process) <= most for process in several)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) == KERNELS and all(n.endswith(".kernel") for n in names)
    assert compiled(started(tmp_path)) == 0


def test_turned_off_it_leaves_no_file(tmp_path):
    folder = tmp_path / "cache"
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    assert compiled(started(folder, SDGRAPH_CACHE="0", **home)) == KERNELS
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert compiled(started(tmp_path / "file")) == KERNELS


@pytest.mark.parametrize("part", ["sdgraph.run.engines.llvm.translate.machine.__version__", "llvmlite.__version__"])
def test_entries_of_other_versions_are_ignored(part, tmp_path, monkeypatch, compiled_anew):
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    assert [compiled_anew(), compiled_anew()] == [1, 0]
    machine.host_of.cache_clear()
    monkeypatch.setattr(part, "0.0.0")
    try:
        assert [compiled_anew(), compiled_anew()] == [1, 0]
    finally:
        machine.host_of.cache_clear()
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_process_left_is_removed_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(disk, "_stores", itertools.count())
    old, new = tmp_path / ".old.tmp", tmp_path / ".new.tmp"
    for p in (old, new):
        p.write_bytes(b"half")
    os.utime(old, (0, 0))
    disk.store("key", b"code")
    assert not old.exists()
    assert new.exists()
    assert disk.load("key") == b"code"


unix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners and modes here")
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
OTHER = 65534
"""Another user than any who runs tests."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the cache, with some code under "key"."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(folder))
    disk.store("key", b"code")
    assert disk.load("key") == b"code"
    return folder


def elsewhere(path, to):
    """Move a file or folder, and leave a link where it was."""
    os.rename(path, to)
    os.symlink(to, path)


@unix
def test_the_folder_and_its_files_are_for_the_user_alone(folder):
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.iterdir())]
    assert modes == [0o700, 0o600]


@unix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_that_others_can_write_is_not_read(folder, mode):
    folder.chmod(mode)
    assert disk.load("key") is None
    disk.store("new", b"code")
    assert not (folder / "new.kernel").exists()
    folder.chmod(0o755)
    assert disk.load("key") == b"code"


@unix
def test_a_link_to_a_file_elsewhere_is_not_followed(folder, tmp_path):
    elsewhere(folder / "key.kernel", tmp_path / "upload")
    assert disk.load("key") is None
    disk.store("key", b"new")  # Takes the place of the link, not of what it refers to.
    assert disk.load("key") == b"new"
    assert b"code" in (tmp_path / "upload").read_bytes()


@unix
def test_the_users_own_link_may_say_where_the_folder_is(folder, tmp_path):
    elsewhere(folder, tmp_path / "large disk")
    assert disk.load("key") == b"code"


@root
def test_a_folder_at_the_end_of_another_users_link_is_not_read(folder, tmp_path):
    elsewhere(folder, tmp_path / "uploads")
    os.chown(folder, OTHER, OTHER, follow_symlinks=False)
    assert disk.load("key") is None
    disk.store("new", b"code")
    assert not (tmp_path / "uploads" / "new.kernel").exists()


@root
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_belongs_to_another_user_is_not_read(folder, what):
    os.chown(folder if what == "folder" else folder / "key.kernel", OTHER, OTHER)
    assert disk.load("key") is None


@unix
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "socket"])
def test_what_is_no_file_is_no_code_and_nobody_waits_for_it(folder, kind):
    path = folder / "key.kernel"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        import socket

        with socket.socket(socket.AF_UNIX) as s:
            here = os.getcwd()
            os.chdir(folder)  # The name of a socket must be short.
            try:
                s.bind("key.kernel")
            finally:
                os.chdir(here)
    script = "from sdgraph.run.engines.llvm.translate import disk; print(disk.load('key'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "None\n" and not done.stderr


@root
@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_root_makes_no_folder_in_another_users_home(tmp_path, monkeypatch, variable):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("SDGRAPH_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(home))
    os.chown(home, OTHER, OTHER)
    disk.store("key", b"code")
    assert not list(home.iterdir())
    os.chown(home, 0, 0)
    disk.store("key", b"code")
    assert disk.load("key") == b"code"


@pytest.mark.parametrize("limit", ["files", "bytes"])
def test_the_oldest_make_room(folder, monkeypatch, limit):
    monkeypatch.setattr(disk, "_TRIM_EVERY", 1)
    size = (folder / "key.kernel").stat().st_size
    if limit == "files":
        monkeypatch.setattr(disk, "_MOST_FILES", 20)
    else:
        monkeypatch.setattr(disk, "_MOST_BYTES", 20 * size)
    (folder / "key.kernel").unlink()
    for k in range(21):
        disk.store(f"{k}", b"code")
        os.utime(folder / f"{k}.kernel", (k, k))
    disk.store("last", b"code")
    left = sorted(p.stem for p in folder.iterdir())
    assert left == sorted(["last", *(f"{k}" for k in range(6, 21))])


def test_a_process_looks_at_the_size_of_the_folder_now_and_then(folder, monkeypatch):
    looks = []
    monkeypatch.setattr(disk, "_trim", looks.append)
    monkeypatch.setattr(disk, "_stores", itertools.count())
    for k in range(2 * disk._TRIM_EVERY):
        disk.store(f"{k}", b"code")
    assert len(looks) == 2
