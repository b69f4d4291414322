"""The parts of `bench_limits`: its rows, what counts as missed, and versions side by side."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sdgraph import SameDiff

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # As where it is run by its name.
try:
    import bench_limits
    import limit_rows
    import versions
finally:
    sys.path.remove(str(HERE))

SMALL = list(limit_rows.small()) + [s[0] for s in limit_rows.growing().values()]


def evaluated(row, engine):
    operands, graph = row.make()
    sd = SameDiff()
    value, variables = graph(sd)
    return list(sd.compile([value, *sd.grad(value, variables)], engine=engine)(operands).values())


# ---------------------------------------------------------------------- rows


@pytest.mark.parametrize("row", SMALL, ids=lambda r: r.name)
def test_rows_are_graphs_that_both_engines_run_alike(row):
    for a, b in zip(*(evaluated(row, engine) for engine in ("llvm", "numpy")), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_every_row_has_a_name_of_its_own_and_is_found_by_it():
    rows = [*limit_rows.large(), *limit_rows.small(), *(r for s in limit_rows.growing().values() for r in s)]
    names = [row.name for row in rows]
    assert len(set(names)) == len(names) > 20
    assert limit_rows.named("MSE 1e7").traffic == (10**7, 2, 1, 0)
    assert limit_rows.named("softmax CE sparse 65536x10").traffic == (655_360, 1, 1, 1)


# ---------------------------------------------------------------------- what is missed


def found(name="MSE 1e6", old=4e-4, new=1e-4, limit=9e-5, **more):
    gain = old / new
    return bench_limits.Found(
        limit_rows.named(name),
        old,
        new,
        **({"gain": gain, "low": gain, "high": gain, "limit": limit, "same": True} | more),
    )


def test_a_row_within_its_bounds_misses_nothing():
    assert found().missed() == []
    assert "MISSED" not in bench_limits.line_of(found())


def test_a_row_misses_what_it_does_not_reach():
    assert found(old=2e-4).missed() == ["MSE 1e6: 2.00 times faster, wanted 2.2"]
    assert found(old=2e-4, high=2.3).missed() == ["MSE 1e6: 2.00 times faster, wanted 2.2, within the spread"]
    assert found(limit=5e-5).missed() == ["MSE 1e6: 50% of the limit, wanted 80%"]
    assert found(same=False).missed() == ["MSE 1e6: the versions' RESULTS DIFFER"]
    assert "MISSED" in bench_limits.line_of(found(same=False))


def test_what_grows_faster_than_its_limit_is_missed():
    names = [row.name for row in limit_rows.growing()["MSE"]]
    linear = [found(name, new=10.0**k * 1e-8, limit=10.0**k * 1e-9) for k, name in enumerate(names, 3)]
    assert bench_limits.not_linear(linear) == []
    bent = [*linear[:-1], linear[-1]._replace(new=linear[-1].new * 3)]
    assert bench_limits.not_linear(bent) == ["growth of MSE: growth: MSE 1e7 takes 3.00 times more of its limit"]


def test_results_agree_up_to_rounding():
    sums = [[0.5, 10.0, 4.0]]
    assert bench_limits.agree(sums, [[0.5001, 10.001, 4.0]])
    assert not bench_limits.agree(sums, [[0.6, 10.0, 4.0]])
    assert not bench_limits.agree(sums, [[0.5, 10.0, 5.0]])
    assert not bench_limits.agree(sums, [])


# ---------------------------------------------------------------------- versions


def repository(folder):
    """A repository with one commit, whose package says which it is."""
    package = folder / "sdgraph"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("VERSION = 1\n")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def test_an_old_version_is_there_for_as_long_as_it_is_used(tmp_path):
    source = repository(tmp_path / "source")
    with versions.checkout(None, "HEAD", source) as tree:
        assert (tree / "sdgraph" / "__init__.py").read_text() == "VERSION = 1\n"
    assert not tree.exists()
    assert len(versions.git("worktree", "list", folder=source).splitlines()) == 1


def test_an_old_version_is_gone_after_an_error_too(tmp_path):
    source = repository(tmp_path / "source")
    with pytest.raises(ZeroDivisionError), versions.checkout(None, "HEAD", source) as tree:
        raise ZeroDivisionError
    assert not tree.exists() and len(versions.git("worktree", "list", folder=source).splitlines()) == 1


@pytest.mark.parametrize("has_repository", [True, False], ids=["shallow", "no repository"])
def test_without_history_it_says_what_to_do(tmp_path, has_repository):
    folder = repository(tmp_path / "source") if has_repository else tmp_path
    said = pytest.raises(versions.NoHistory, match=r"0123456789.*--unshallow.*--old PATH")
    with said, versions.checkout(None, "0123456789", folder):
        raise AssertionError("nothing to check out")


def test_a_folder_without_the_package_is_no_old_version(tmp_path):
    with pytest.raises(versions.NoHistory, match="no package"), versions.checkout(tmp_path):
        raise AssertionError("nothing to compare with")


def test_a_version_in_a_process_of_its_own():
    row = limit_rows.small().__next__()
    with versions.started(versions.REPOSITORY, threads=1) as version:
        results = version.ask("make", row=row.name)["results"]
        expected = [[a.sum(dtype=float), np.abs(a).sum(dtype=float), a.size] for a in evaluated(row, "numpy")]
        assert bench_limits.agree(results, expected)
        assert 0 < version.ask("measure", warm=0, seconds=1e-3)["seconds"] < 60
        assert version.ask("prepare", n=10_000, reads=2, writes=1, past=[False, True])["n"] > 8192
        assert 0 < version.ask("limits", warm=0, seconds=1e-3, threads=1)["seconds"] < 60
        assert version.ask("drop") == {}
        with pytest.raises(RuntimeError, match="ended with"):
            version.ask("nothing")
