"""Compiled functions as `help` and notebooks show their calls: placeholders as keywords, with dtypes and shapes.

Must not know how a call runs.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sdgraph.build.annotations import written
from sdgraph.infer.aval import Aval
from sdgraph.run.feeds import Placeholder

_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY


class OfInstances:
    """A property that only instances have: what asks a class for its ``__signature__`` wants no property."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            raise AttributeError(self._make.__name__)
        return self._make(instance)


def signature_of_calls(placeholders: Sequence[Placeholder], results: Mapping[str, Aval]) -> inspect.Signature:
    """The signature of calls that feed these placeholders and give these results.

    A placeholder has a default, for it may be fed in the mapping. Those that no keyword can name are fed there only.
    """
    return inspect.Signature(
        [
            inspect.Parameter(
                "feeds", inspect.Parameter.POSITIONAL_ONLY, default=None, annotation=written("Feeds | None")
            ),
            inspect.Parameter("step", _KEYWORD, default=0, annotation=written("int")),
            *(
                inspect.Parameter(p.name, _KEYWORD, default=written("..."), annotation=written(str(p.aval)))
                for p in placeholders
                if p.name.isidentifier() and not keyword.iskeyword(p.name) and p.name != "step"
            ),
        ],
        return_annotation=written(f"{{{', '.join(f'{name!r}: {aval}' for name, aval in results.items())}}}"),
    )
