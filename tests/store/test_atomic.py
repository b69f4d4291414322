"""A file is the old one or the new one, whatever happens while it is written."""

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdgraph.store import atomic
from sdgraph.store.atomic import replaced

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


# What is interrupted while it is opened is closed by the collector of garbage, which complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("keep", [False, True])
def test_an_interrupt_after_any_line(tmp_path, keep):
    """Ctrl-C raises between two lines: after the k-th that runs in the module, for every k that there is."""
    path, k, seen = tmp_path / "m", 0, set()
    put(path, b"one")
    while True:
        lines = iter(range(k, -1, -1))

        def trace(frame, event, _, lines=lines):
            if frame.f_code.co_filename != atomic.__file__:
                return None
            if event == "line" and next(lines, 1) == 0:
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            put(path, b"two", keep=keep, fsync=True)
        except KeyboardInterrupt:
            assert path.read_bytes() in (b"one", b"two")
            seen.add(path.read_bytes())
        else:
            break
        finally:
            sys.settrace(before)
        assert set(names(tmp_path)) <= {"m", "m~"}, k
        assert not (tmp_path / "m~").exists() or (tmp_path / "m~").read_bytes() in (b"one", b"two")
        path.write_bytes(b"one")
        k += 1
    assert k > 20 and seen == {b"one", b"two"}
    assert path.read_bytes() == b"two" and names(tmp_path) == (["m", "m~"] if keep else ["m"])


def test_a_file_that_is_kept_under_both_names_already(tmp_path):
    path = tmp_path / "m"
    put(path, b"one")
    os.link(path, tmp_path / "m~")
    put(path, b"two", keep=True)
    assert names(tmp_path) == ["m", "m~"] and (tmp_path / "m~").read_bytes() == b"one"


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
    host = atomic._host()
    elsewhere = format(int(host, 16) ^ 1, "04x")
    stays = [
        f".m.{os.getpid()}.{host}00000000.tmp",  # That of a process that lives,
        f".m.{gone.pid}.{elsewhere}00000000.tmp",  # of one on another computer, where the number means another,
        f".n.{gone.pid}.{host}00000000.tmp",  # of another file,
        f".m.x.{gone.pid}.{host}00000000.tmp",
        f".m.{gone.pid}.{host}0000000.tmp",  # and what is none of ours.
        f"m.{gone.pid}.{host}00000000.tmp",
        ".m.tmp",
    ]
    goes = [
        f".m.{gone.pid}.{host}0123abcd.tmp",
        f".m.{os.getpid()}.{host}0123abcd.tmp",
        f".m.1.{elsewhere}0123abcd.tmp",
    ]
    for name in (*stays, *goes):
        (tmp_path / name).write_bytes(b"")
    for name in goes[1:]:
        os.utime(tmp_path / name, (0, time.time() - 2 * 86_400))
    (tmp_path / f".m.{gone.pid}.{host}ffffffff.tmp").mkdir()
    put(path, b"one")
    assert names(tmp_path) == sorted([*stays, f".m.{gone.pid}.{host}ffffffff.tmp", "m"])


@posix
def test_links_to_nothing_and_links_to_links(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("folder/m")
    (tmp_path / "folder").mkdir()
    for content in (b"new", b"newer"):
        assert put(tmp_path / "one", content, keep=True) == tmp_path / "one"
        assert (tmp_path / "folder/m").read_bytes() == content and (tmp_path / "one").is_symlink()
    assert names(tmp_path) == ["folder", "one", "two"] and names(tmp_path / "folder") == ["m", "m~"]
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="round"):
        put(tmp_path / "round", b"x")


@posix
def test_another_hard_link_keeps_the_old_file(tmp_path):
    put(tmp_path / "m", b"one")
    os.link(tmp_path / "m", tmp_path / "other")
    put(tmp_path / "m", b"two")
    assert (tmp_path / "other").read_bytes() == b"one" and (tmp_path / "m").read_bytes() == b"two"


@posix
def test_a_secret_file_is_never_open_to_others(tmp_path):
    path, modes = tmp_path / "m", []
    put(path, b"one")
    path.chmod(0o600)

    def look(file):
        modes.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode))

    opened = atomic.os.open
    atomic.os.open = lambda *args: (found := opened(*args), modes.append(stat.S_IMODE(os.fstat(found).st_mode)))[0]
    try:
        replaced(path, look, fsync=False, keep=False)
    finally:
        atomic.os.open = opened
    assert modes == [0o600, 0o600]


@posix
def test_what_is_no_file_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    assert put(tmp_path / "pipe", b"through", keep=True) == tmp_path / "pipe"
    assert reader.communicate()[0] == b"through" and names(tmp_path) == ["pipe"]
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        put(tmp_path, b"x")
    with pytest.raises(FileNotFoundError, match=r"no/m'$"):
        put(tmp_path / "no" / "m", b"x")


@pytest.mark.parametrize("length", [150, 220, 255])
def test_names_as_long_as_they_may_be(tmp_path, length):
    path = tmp_path / ("x" * length)
    put(path, b"one")
    put(path, b"two")
    assert path.read_bytes() == b"two" and names(tmp_path) == [path.name]


INSIDE = """
import sys
from pathlib import Path
from sdgraph.store.atomic import replaced
folder = Path(sys.argv[1])
try: replaced(folder / "m", lambda f: f.write(bytes(200_000)), fsync=True, keep=True)
except OSError as e: print(e.errno, e.filename == str(folder / "m"))
print(sorted(p.name for p in folder.iterdir()), (folder / "m").read_bytes())
"""


@posix
@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_disk_that_is_full_or_read_only(tmp_path, state):
    """On a file system of its own, of 64 KB."""
    after = "mount -o remount,ro tmpfs ." if state == "read-only" else "true"
    script = f'mount -t tmpfs -o size=64k tmpfs "$1" && cd "$1" && printf old > m && {after} && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path), sys.executable, INSIDE]
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("nobody may mount here")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "mount" in done.stderr:
        pytest.skip("nobody may mount here")
    code = {"full": errno.ENOSPC, "read-only": errno.EROFS}[state]
    assert done.stdout == f"{code} True\n['m'] b'old'\n", done.stderr


@posix
def test_a_file_that_may_not_grow(tmp_path):
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


KILLS = """
import os, signal, sys, time
import numpy as np
from sdgraph import SameDiff
path, keep, kills, seed = sys.argv[1], sys.argv[2] == "keep", int(sys.argv[3]), int(sys.argv[4])
sd = SameDiff()
w = sd.var("w", np.zeros(50_000))
sd.save(path, fsync=False)
rng = np.random.default_rng(seed)
seen, left = set(), 0
for _ in range(kills):
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        k = 0
        while True:
            k += 1
            w.value = np.full(50_000, float(k))
            sd.save(path, keep=keep, fsync=k % 2 == 0)
            os.write(tell, b".")
    os.close(tell)
    os.read(told, 1)
    time.sleep(float(rng.uniform(0, 0.02)))
    SameDiff.load(path)  # Whoever looks meanwhile finds a whole file.
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    done = 1 + len(os.read(told, 1 << 16))
    os.close(told)
    found = SameDiff.load(path)["w"].value
    assert (found == found[0]).all()
    assert found[0] >= done, (found[0], done)  # What was told to be saved is there.
    if os.path.exists(path + "~"):
        before = SameDiff.load(path + "~")["w"].value
        assert (before == before[0]).all()
    seen.add(float(found[0]))
    left = max(left, len([n for n in os.listdir(os.path.dirname(path)) if n.endswith(".tmp")]))
sd.save(path, keep=keep)
print(len(seen), left, sorted(os.listdir(os.path.dirname(path))))
"""


@posix
@pytest.mark.slow
@pytest.mark.parametrize("keep", ["keep", "no"])
def test_processes_that_are_killed_while_they_save(tmp_path, keep):
    command = [sys.executable, "-c", KILLS, str(tmp_path / "m.sdg"), keep, "120", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen, left, folder = done.stdout.split(maxsplit=2)
    assert int(seen) > 1 and int(left) > 0, "no kill came in between"
    assert folder.strip() == str(["m.sdg", "m.sdg~"] if keep == "keep" else ["m.sdg"])


def test_the_path_may_be_a_text_or_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert put("m", b"one") == Path("m") and Path("m").read_bytes() == b"one"
