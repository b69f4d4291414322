"""Compiled functions: fetches of a graph, ready to call with feeds.

An executable keeps one compiled plan per combination of feed shapes. It never changes the graph, and calls do not share
arrays, so any number of threads may call one.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from sdgraph.build import forks
from sdgraph.build.annotations import readable
from sdgraph.build.feeding import as_mapping
from sdgraph.build.kinds import AnyGraph, VariableKind
from sdgraph.build.spelling.lacking import of_object
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, EngineError, TakenBackError
from sdgraph.infer.aval import Aval
from sdgraph.lower import contracts
from sdgraph.plan.made import Made
from sdgraph.plan.plan import NO_SLOT, Plan
from sdgraph.plan.schedule import make_plan
from sdgraph.run import spec
from sdgraph.run.engines.choice import compile_plan
from sdgraph.run.engines.interface import Part, Program
from sdgraph.run.feeds import Placeholder, as_array, check_named_dims, missing, unknown
from sdgraph.run.signatures import OfInstances, signature_of_calls
from sdgraph.run.slots import Slots

if TYPE_CHECKING:
    import inspect

    from numpy.typing import ArrayLike

    from sdgraph.build.variable import Feeds
    from sdgraph.ops.graph import OpGraph

_MAX_PLANS = 64
_CALLS = ("eval", "output", "predict", "forward", "apply")
"""What is tried where a call is meant."""
_Array = np.ndarray


class _Compiled:
    """One plan with what its engine made of it and the slots every run starts from."""

    __slots__ = ("_made", "engine", "expected", "program", "run", "slots", "template")

    def __init__(
        self,
        plan: Plan,
        program: Program,
        engine: str,
        placeholders: Sequence[Placeholder],
        avals: Sequence[Aval],
    ) -> None:
        self.program = program
        self.run = program.run
        self.engine = engine
        self.slots = slots = Slots(plan, program.n_slots)
        self.template = slots.template
        self._made: Made | None = None
        slot_of = {i: slot for slot, i in plan.feeds}
        # A feed that the plan does not need goes where nobody looks.
        nowhere = slots.spare() if any(p.id not in slot_of for p in placeholders) else NO_SLOT
        self.expected = tuple(
            (p.name, slot_of.get(p.id, nowhere), aval.shape, aval.dtype)
            for p, aval in zip(placeholders, avals, strict=True)
        )
        """Per placeholder: name, slot, shape and dtype."""
        if contracts.ON:
            spec.check(plan, program, [slot for _, slot, _, _ in self.expected], len(self.template))

    def made(self) -> Made:
        """The plan with what the engine made of it, once that is asked for."""
        if self._made is None:
            self._made = self.program.explain()
        return self._made


@readable
class Executable:
    """A compiled function of a graph.

    Call it with feeds by name or variable, as a mapping or as keywords; it returns ``{name: array}``. Variables are
    read at each call, so a changed value takes effect. Ask `plan` how it runs.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> x = sd.placeholder("x", shape=(None,))
        >>> f = sd.compile((x * x).sum(name="total"))
        >>> f(x=[1, 2, 3])
        {'total': array(14., dtype=float32)}
    """

    def __init__(self, sd: OpGraph, fetches: Sequence[SDVariable], engine: str, *, check_numerics: bool) -> None:
        self._sd = sd
        self._values = sd.values
        self._ids = [v.id for v in fetches]
        self._names = tuple(v.name for v in fetches)
        self._check = check_numerics
        self._engine = engine
        need = sd.reachable(self._ids)
        leaves = [i for i, n in enumerate(need) if n]
        kinds = VariableKind
        self.placeholders = tuple(
            Placeholder(i, sd.nodes[i].name, sd.nodes[i].aval, sd.nodes[i].origin)
            for i in leaves
            if sd.nodes[i].op.kind is kinds.PLACEHOLDER
        )
        """The placeholders that must be fed."""
        self._all_static = all(p.aval.is_static for p in self.placeholders)
        self._compiled: dict[Any, _Compiled] = {}
        self._last: _Compiled | None = None
        self._lock = threading.Lock()
        forks.renew(self, "_lock", threading.Lock)
        if sd.journal is not None:
            sd.journal.made.append(_notice(self))
        if self._all_static:
            self._compile([p.aval for p in self.placeholders])

    def __call__(
        self, feeds: Feeds | None = None, /, *, step: int = 0, **named: ArrayLike
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Run it.

        A placeholder that is called ``step`` is fed by a mapping, ``f({"step": 3.0})``.

        Args:
            feeds: Values by name or variable.
            step: Counter for random ops: another step, other draws.
            **named: More feeds, by name.

        Returns:
            The value of each fetch by its name, in the order of the fetches.

        Raises:
            FeedError: For feeds that are missing, unknown or do not fit.
            ExecutionError: If a kernel fails.
        """
        given = feeds if type(feeds) is dict and not named else as_mapping(feeds, named)
        return dict(zip(self._names, self.run(given, step)))  # noqa: B905  (a keyword would cost a third of it)

    @OfInstances
    def __signature__(self) -> inspect.Signature:
        """What `help` and notebooks show of a call: the placeholders are its keywords."""
        return signature_of_calls(
            self.placeholders, {name: self._sd.nodes[i].aval for name, i in zip(self._names, self._ids, strict=True)}
        )

    def __dir__(self) -> list[str]:
        """What a user calls."""
        return sorted({*super().__dir__()} - {"parts", *_CALLS})

    def run(self, given: Mapping[Any, Any], step: int = 0) -> list[np.ndarray[Any, Any]]:
        """The values of the fetches, in order."""
        compiled = self._last
        if compiled is not None and type(given) is dict and len(given) == len(compiled.expected):
            # The call that fits the last one: arrays of its shapes and dtypes by name, nothing to convert or to say.
            slots = compiled.template.copy()
            for name, slot, shape, dtype in compiled.expected:
                a = given.get(name)
                if type(a) is not _Array or a.shape != shape or a.dtype is not dtype or not a.flags.c_contiguous:
                    break
                slots[slot] = a
            else:
                if compiled.slots.reads_graph:
                    compiled.slots.read_graph(slots, self._values, step)
                return compiled.run(slots)
        compiled, arrays = self._matched(given)
        return compiled.run(compiled.slots.filled(arrays, self._values, step))

    def _matched(self, given: Mapping[Any, Any]) -> tuple[_Compiled, dict[int, np.ndarray[Any, Any]]]:
        """The plan for what is fed, made if there is none yet, and the placeholders' arrays by their ids."""
        arrays: dict[int, np.ndarray[Any, Any]] = {}
        for p in self.placeholders:
            name = p.name
            if name not in given:
                given = self._by_name(given)
                if name not in given:
                    raise missing(p, given, [v.name for v in self._sd.placeholders()])
            arrays[p.id] = as_array(p, given[name])
        if len(arrays) != len(given):
            self._check_unused(self._by_name(given))
        compiled = self._last
        if not self._all_static or compiled is None:
            fed = list(arrays.values())
            compiled = self._compile([Aval(a.shape, a.dtype) for a in fed], fed)
        return compiled, arrays

    def parts(self, given: Mapping[Any, Any]) -> tuple[list[Any], Sequence[Part] | None]:
        """For measuring: filled slots, and what the program does on them one after another, if the engine tells it."""
        compiled, arrays = self._matched(given)
        return compiled.slots.filled(arrays, self._values, 0), compiled.program.parts()

    @property
    def engine(self) -> str:
        """Name of the engine that ran the last call, or will run the first."""
        return self._engine if self._last is None else self._last.engine

    @property
    def plan(self) -> Made:
        """The plan of the last call, or of the declared shapes when all are known.

        Raises:
            ArgumentTypeError: If some shape is unknown and nothing was run yet.
        """
        if self._last is None:
            raise ArgumentTypeError(
                "There is no plan yet: plans are made for concrete shapes.",
                given=", ".join(f"{p.name}: {p.aval}" for p in self.placeholders),
                fix="Call the function once, then ask for its plan.",
            )
        return self._last.made()

    def source(self) -> str:
        """The code that the engine made for the last call.

        Raises:
            EngineError: If the engine makes no code.
        """
        source = None if self._last is None else self._last.program.source()
        if source is None:
            raise EngineError(
                f"The engine {self.engine!r} has made no code.",
                fix="Compile with engine='llvm', and call the function once if a shape is unknown.",
            )
        return source

    @property
    def has_plan(self) -> bool:
        """Whether there is a `plan` yet."""
        return self._last is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fetches."""
        return self._names

    def __copy__(self) -> Executable:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Executable:
        """The same function of a copy of the graph, which is one copy for all that is copied together."""
        other = object.__new__(type(self))
        sd = copy.deepcopy(self._sd, memo)
        vars(other).update(vars(self), _sd=sd, _values=sd.values, _lock=threading.Lock())
        # Plans read the values of the graph that they are run for, so those that are made already serve both.
        other._compiled = dict(self._compiled)
        forks.renew(other, "_lock", threading.Lock)
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """The function with its graph; it makes its plans where it comes out of the pickle."""
        return _restored, (type(self), self._sd, self._ids, self._engine, self._check)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        graph: AnyGraph = self._sd  # It is shown by what stands above: the graph knows how.
        return graph.executable_bundle(self)

    def __repr__(self) -> str:
        return f"<Executable of {', '.join(self._names)} on {self.engine}>"

    def _compile(self, avals: list[Aval], arrays: list[Any] | None = None) -> _Compiled:
        key = tuple([a.shape for a in avals])
        found = self._compiled.get(key)
        if found is None:
            # One thread compiles a new combination of shapes, others that need it wait.
            with self._lock:
                found = self._compiled.get(key)
                if found is None:
                    if arrays is not None:
                        check_named_dims(self.placeholders, arrays)
                    found = self._build(avals)
                    if len(self._compiled) >= _MAX_PLANS:
                        self._compiled.pop(next(iter(self._compiled)))
                    self._compiled[key] = found
        self._last = found
        return found

    def _build(self, avals: list[Aval]) -> _Compiled:
        leaf_avals = {p.id: a for p, a in zip(self.placeholders, avals, strict=True)}
        plan = make_plan(self._sd, self._ids, leaf_avals, self._names, fold=not self._check)
        program, engine = compile_plan(plan, self._engine, check_numerics=self._check)
        return _Compiled(plan, program, engine, self.placeholders, avals)

    def _by_name(self, given: Mapping[Any, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in given.items():
            if type(key) is SDVariable and key.sd is self._sd:
                key = key.name
            if not isinstance(key, str):
                raise unknown(key, {p.name: p for p in self.placeholders})
            out[key] = value
        return out

    def _check_unused(self, given: Mapping[str, Any]) -> None:
        """Feeds that these fetches do not need are fine, if the graph has such a placeholder."""
        sd = self._sd
        for name in given:
            i = sd.names.ids.get(name)
            if i is None or sd.nodes[i].op.kind is not VariableKind.PLACEHOLDER:
                kind = None if i is None else sd.nodes[i].op.kind
                raise unknown(name, {v.name: v for v in sd.placeholders()}, kind)


class _Called:
    """A name that a compiled function lacks, and what is written instead.

    One for each, and no method that is asked for every name: with one all look-ups are slower before Python 3.12.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, f: Executable | None, owner: type) -> Any:
        if f is None:
            return self
        raise of_object(f, "A compiled function", "f", self._name, **{self._name: "f(feeds)"})


for _name in _CALLS:
    setattr(Executable, _name, _Called(_name))


class _TakenBack(Executable):
    """A compiled function of variables that were taken back: every use of it raises, at no cost to others."""

    __signature__ = OfInstances(lambda f: None)

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name) if name.startswith("__") else _refuse(self)

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        _refuse(self)

    __repr__ = __deepcopy__ = __reduce__ = __reduce_ex__ = __call__


def _restored(make: type[Executable], sd: AnyGraph, ids: Sequence[int], engine: str, check: bool) -> Executable:
    return make(sd, [sd.handle(i) for i in ids], engine, check_numerics=check)


def _refuse(f: Executable) -> NoReturn:
    names = ", ".join(map(repr, object.__getattribute__(f, "_names")))
    raise TakenBackError(
        f"This function of {names} is gone: it was compiled in a call that failed or was stopped, and was taken back.",
        fix="Make the variables again, outside of what failed, and compile them there.",
    )


def _notice(f: Executable) -> Callable[[int, int], None]:
    """What ends ``f`` if nodes that it computes are gone, or the graph it was made of is not what it was."""
    known, last, version = weakref.ref(f), max(f._ids, default=-1), f._sd.version

    def notice(size: int, current: int) -> None:
        f = known()
        if f is not None and (last >= size or current != version):
            f.__class__ = _TakenBack

    return notice
