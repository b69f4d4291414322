"""What a person sees while a graph is trained: a bar where tqdm is installed, else a line for each epoch.

Must not know how anything is trained.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from sdgraph.train.callbacks.events import Callback
from sdgraph.train.results.history import History
from sdgraph.train.run import Run
from sdgraph.wording import duration


def is_watched() -> bool:
    """Whether somebody looks: a terminal or a notebook, and no test service, which sets ``CI``."""
    if os.environ.get("CI"):
        return False
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Progress(Callback):
    """A bar over all batches with the values of the epoch so far; without tqdm one line for each epoch."""

    def on_train_begin(self, run: Run) -> None:
        self._bar: Any = None
        try:
            with warnings.catch_warnings():
                # Without ipywidgets a notebook has a bar of text, and that is all there is to say.
                warnings.simplefilter("ignore")
                from tqdm.auto import tqdm

                total = None if run.batches is None else run.epochs * run.batches
                done = 0 if run.batches is None else (run.epoch - run.first) * run.batches + run.batch
                self._bar = tqdm(total=total, initial=done, mininterval=0.1, dynamic_ncols=True)
        except ImportError:
            pass

    def on_batch_end(self, run: Run) -> None:
        if self._bar is not None and self._bar.update(1):
            self._bar.set_postfix(self._shown(run), refresh=False)

    def on_epoch_end(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.set_postfix(self._shown(run))
        else:
            values = "  ".join(f"{name} {value}" for name, value in self._shown(run).items())
            print(values, file=sys.stderr)  # noqa: T201

    def _shown(self, run: Run) -> dict[str, str]:
        logs = History([run.logs])
        return {"epoch": f"{run.epoch + 1}", **{name: f"{logs[0][name]:.4g}" for name in logs.shown()}}

    def on_train_end(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.close()
        elif run.history:
            print(f"waited {duration(run.history.waited)} for data", file=sys.stderr)  # noqa: T201
