"""Training that is killed at any moment and resumed ends with the bits of training without a break."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdgraph.train import LambdaCallback
from tests.train.interrupted import STEPS, WAYS, bits, network

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=WAYS)
def whole(request, tmp_path_factory):
    """A way to train, what it comes to, and its folder."""
    folder, sd = tmp_path_factory.mktemp("whole"), network()
    history = WAYS[request.param](sd, folder)
    return request.param, bits(sd, history), folder


def files(folder, but=""):
    """All files of a folder, with what is in them; without those whose names end so."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.endswith(but or "\0")}


def resumed(way, folder):
    sd = network()
    history = WAYS[way](sd, folder, resume=True)
    return bits(sd, history)


class Snapshots:
    """Copies of a folder as a kill would leave it: before and after each change of a name, and in half of a write."""

    def __init__(self, folder, into, monkeypatch):
        self.folder, self.into, self.taken = folder, into, []
        for name in ("replace", "unlink", "fsync"):
            monkeypatch.setattr(os, name, self.around(name, getattr(os, name)))

    def around(self, name, function):
        def call(*args, **kwargs):
            self.take(f"before {name}")
            found = function(*args, **kwargs)
            self.take(f"after {name}")
            return found

        return call

    def take(self, what):
        copy = self.into / f"{len(self.taken)}"
        shutil.copytree(self.folder, copy)
        self.taken.append((what, copy))


def test_whatever_a_kill_leaves_goes_on_to_the_same_bits(whole, tmp_path, monkeypatch):
    way, expected, folder = whole
    there = tmp_path / "there"
    there.mkdir()
    with monkeypatch.context() as m:
        shots = Snapshots(there, tmp_path, m)
        WAYS[way](network(), there, [LambdaCallback(on_batch_end=lambda run: shots.take(f"step {run.step.step}"))])
    assert {what for what, _ in shots.taken} > {"before replace", "after replace", "before fsync", "step 1"}
    assert files(there) == files(folder)
    for what, left in shots.taken[:: max(1, len(shots.taken) // 12)] + shots.taken[-1:]:
        assert resumed(way, left) == expected, what
        # This process lives, so nobody removes what it was writing.
        assert files(left, but=".tmp") == files(folder), what


def test_a_run_that_ended_has_nothing_to_do(whole):
    way, expected, folder = whole
    before = files(folder)
    assert resumed(way, folder) == expected
    assert files(folder) == before


def run(way, folder, *how):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.train.interrupted", way, str(folder), *map(str, how)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(way, folder, *how):
    """Exit code, and what it printed."""
    process = run(way, folder, *how)
    out, err = process.communicate()
    assert "Traceback" not in err, err
    return process.returncode, out.split()


def digest(expected):
    return hashlib.sha256(repr(expected).encode()).hexdigest()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_twice_and_resumed(whole, tmp_path):
    way, expected, folder = whole
    assert ended(way, tmp_path, "SIGKILL", 11)[0] == -signal.SIGKILL
    assert ended(way, tmp_path, "saving", 15)[0] == -signal.SIGKILL
    assert ended(way, tmp_path) == (0, [digest(expected), "False"])
    assert files(tmp_path) == files(folder)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupted_and_resumed(whole, tmp_path):
    way, expected, folder = whole
    assert ended(way, tmp_path, "SIGTERM", 9) == (128 + signal.SIGTERM, [])
    assert f"step-{9:09}.sdg" in files(tmp_path)
    code, out = ended(way, tmp_path, "SIGINT", 17)
    assert code == 0 and out[1] == "True"
    assert f"step-{17:09}.sdg" in files(tmp_path)
    assert ended(way, tmp_path) == (0, [digest(expected), "False"])
    assert files(tmp_path).keys() >= files(folder).keys()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_at_a_step_and_again_a_little_later(whole, tmp_path):
    way, expected, folder = whole
    for at in (1, 2, 6, 7, 8, 19, 21, 30, STEPS - 1):  # Around the first epoch's end, and some others.
        there = tmp_path / str(at)
        there.mkdir()
        code, _ = ended(way, there, "SIGKILL" if at % 3 else "saving", at)
        if code == 0:
            break  # It ended before.
        ended(way, there, "SIGKILL", at + 5)
        assert ended(way, there) == (0, [digest(expected), "False"]), at
        assert files(there) == files(folder), at


def come_through(way, folder, rng, patience):
    """Train and kill, with more and more patience; what it printed in the end, and how often it was killed."""
    folder.mkdir()
    kills = 0
    while True:
        process = run(way, folder, "slow", -1)
        try:
            out, _ = process.communicate(timeout=patience * (0.7 + rng.random()))
            return out, kills
        except subprocess.TimeoutExpired:
            process.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            time.sleep(rng.random() * 0.05)
            process.kill()
            process.communicate()
            kills, patience = kills + 1, patience * 1.1


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_until_it_comes_through(whole, tmp_path, seed):
    way, expected, _ = whole
    rng, kills = random.Random(seed), 0
    began = time.monotonic()
    ended(way, tmp_path, "slow", -1)
    patience = (time.monotonic() - began) / 2
    while not kills:
        # Where it came through untouched it was quicker than the first time.
        out, kills = come_through(way, tmp_path / f"{patience}", rng, patience)
        patience *= 0.8
    assert out.split() == [digest(expected), "False"]
