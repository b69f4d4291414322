"""Compiled functions: fetches of a graph, ready to call with feeds.

An executable keeps one compiled plan per combination of feed shapes. It never changes the graph, and calls do not share
arrays, so any number of threads may call one.
"""

from __future__ import annotations

import copy
import dataclasses
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from sdgraph.build import forks
from sdgraph.build.annotations import readable
from sdgraph.build.feeding import as_mapping
from sdgraph.build.kinds import AnyGraph, VariableKind
from sdgraph.build.spelling.lacking import of_object
from sdgraph.build.values import Unsettled
from sdgraph.build.variable import SDVariable
from sdgraph.checks import whole
from sdgraph.errors import ArgumentTypeError, EngineError, TakenBackError, shown
from sdgraph.infer.aval import Aval
from sdgraph.lower import contracts
from sdgraph.plan.made import Made
from sdgraph.plan.plan import NO_SLOT, Plan
from sdgraph.plan.schedule import make_plan
from sdgraph.run import spec
from sdgraph.run.engines.choice import compile_plan
from sdgraph.run.engines.interface import Copies, Follows, Program, Standing, no_copies
from sdgraph.run.feeds import Placeholder, as_array, check_named_dims, missing, unknown
from sdgraph.run.repeated import Ready, picked
from sdgraph.run.signatures import OfInstances, signature_of_calls
from sdgraph.run.slots import Slots

if TYPE_CHECKING:
    import inspect

    from numpy.typing import ArrayLike

    from sdgraph.build.variable import Feeds
    from sdgraph.ops.graph import OpGraph
    from sdgraph.run.explaining import Explanation
    from sdgraph.run.profiling import Profile

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
        standing: Mapping[int, Any],
    ) -> None:
        self.program = program
        self.run = program.run
        self.engine = engine
        self.slots = slots = Slots(plan, program.n_slots, standing)
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

    def __init__(
        self,
        sd: OpGraph,
        fetches: Sequence[SDVariable],
        engine: str,
        *,
        check_numerics: bool = False,
        inference: bool = False,
        tiny: bool = True,
        standing: Mapping[int, np.ndarray[Any, Any]] = MappingProxyType({}),
        watched: Sequence[SDVariable] = (),
    ) -> None:
        """Whoever compiles for users gives the first four.

        Args:
            sd: The graph.
            fetches: What to compute.
            engine: Name of the engine.
            check_numerics: Whether to look at every result.
            inference: Whether to compute what the graph is when it is used, not trained.
            tiny: Whether numbers below the smallest normal one must be what they are; they are slow.
            standing: By id arrays that stand for variables, and are read at each call as they are then, in place of
                the graph's values.
            watched: Fetches of which `run` tells at the end of its results by a number: it is finite only if all of
                them are, and may be infinite where they are, too.
        """
        self._sd = sd
        self._watched = [v.id for v in watched]
        self._tiny, self._standing = tiny, standing
        self._values = Unsettled(sd.values) if standing else sd.values
        self._ids = [v.id for v in fetches]
        self._names = tuple(v.name for v in fetches)
        self._check = check_numerics
        self._inference = inference
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
        return sorted({*super().__dir__()} - {*_CALLS})

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

    def profile(self, feeds: Feeds | None = None, /, *, repeat: int = 10, **named: ArrayLike) -> Profile:
        """Run it part by part, measure each, and compare with what this computer can do.

        A part is a region of fused operations or a single step. The limits are the bandwidths of the caches and of
        memory, the rate of arithmetic, and what a call takes that does nothing. They are measured once, in a fraction
        of a second, and kept beside compiled code; the environment variable ``SDGRAPH_CACHE=0`` measures them once in
        each process. How many instructions the arithmetic of a region takes is an estimate.

        Args:
            feeds: Values by name or variable.
            repeat: How many runs; the shortest time of each part counts.
            **named: More feeds, by name.

        Returns:
            The parts with their times, and what each needs at least; a notebook and ``print`` show a table.

        Raises:
            FeedError: For feeds that are missing, unknown or do not fit.
            EngineError: If the engine cannot tell its parts.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> f = sd.compile((sd.placeholder("x", ("n",)) ** 2).sum(name="total"), engine="llvm")
            >>> f.profile(x=[1.0, 2.0])
            part...holds...time...share...moves...needs...bound...of limit
            ----...
            region over (2,)  ...total...call...
            ----...
            1 part in ...; this computer needs ...
            a whole call: ...
            1 thread: L2 .../s, ...memory .../s for a + b -> c; ... GFLOP/s
            ...
        """
        # Only who measures needs it.
        from sdgraph.run import profiling

        whole("repeat", repeat, least=1, message="repeat is a number of runs, 1 or more.")
        given = as_mapping(feeds, named)
        self.run(given)
        compiled, arrays = self._matched(given)
        slots = compiled.slots.filled(arrays, self._values, 0)
        program, alive = compiled.program, compiled.made().peak_bytes
        ready = profiling.Measurable(
            compiled.engine, lambda: self.run(given), program.settle, slots, program.parts(), alive
        )
        return profiling.profiled(ready, repeat)

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

    def explain(self, feeds: Feeds | None = None, /, **named: ArrayLike) -> Explanation:
        """What runs together, what runs by itself, and why.

        The fused engine makes regions of what it can; this names the variables that each holds, and of every step that
        stays outside the reason and what can be done about it. `plan` has all steps one by one, `profile` times.

        Args:
            feeds: Values by name or variable, for whose shapes it is told; without any it is about the last call, or
                the declared shapes where all are known.
            **named: More feeds, by name.

        Returns:
            Regions and steps in the order they run; a notebook and ``print`` show a table.

        Raises:
            ArgumentTypeError: If some shape is unknown and nothing was fed or run yet.
            FeedError: For feeds that are missing, unknown or do not fit.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x", (64, 30))
            >>> w = sd.placeholder("w", (30, 4))
            >>> y = sd.nn.softmax(sd.math.tanh(x @ w, name="z"), name="y")
            >>> sd.compile(y, engine="llvm").explain()
            part                              holds     what
            ...
            numpy linalg.matmul             matmul  a product of matrices
            region over (64,) rows of (4,)    z, y      ... ops fused, 1 pass over memory, ...
            ...
            engine llvm: 1 region, 1 step by itself
            numpy linalg.matmul matmul: BLAS does it, ...
        """
        from sdgraph.run.explaining import explained

        given = as_mapping(feeds, named)
        made = self._matched(given)[0].made() if given else self.plan
        return explained(made, self.engine)

    def stand(
        self,
        feeds: Mapping[str, np.ndarray[Any, Any] | None],
        places: Sequence[str | None],
        elsewhere: Callable[[int], np.ndarray[Any, Any]],
        copies: Copies = no_copies,
    ) -> Standing | None:
        """The function on arrays that stay where they are, as `Program.stand` has it; all shapes are declared.

        Args:
            feeds: The arrays by the names of placeholders; None for what is given in each call, as planned and in C
                order. More are named than it has, if that is simpler.
            places: For each fetch the feed whose place it takes.
            elsewhere: What makes the array of a fetch that is written over none.
            copies: From the arrays of fetches to pairs, the second of which is copied to the first before each run.
        """
        assert self._last is not None and self._all_static
        for p in self.placeholders:
            a = feeds[p.name]
            assert a is None or (p.aval == (a.shape, a.dtype) and a.flags.c_contiguous and a.flags.writeable)
        ids = {p.name: p.id for p in self.placeholders}
        given = {i: feeds[name] for name, i in ids.items()}
        taken = [None if name is None else ids.get(name) for name in places]
        found = self._last.program.stand(given, taken, elsewhere, copies)
        if found is None:
            return None
        names = {i: name for name, i in ids.items()}
        return found._replace(given=[names[i] for i in found.given])

    @property
    def latest(self) -> object:
        """What tells the plan of the last call from those of other shapes."""
        return self._last

    def again(self, away: int, follows: Follows) -> Ready | None:
        """The plan of the last call for one caller who calls it again and again; None if there is no quicker way.

        Args:
            away: How many of the results, the first ones, are the caller's own.
            follows: What is called after it.
        """
        compiled = self._last
        assert compiled is not None
        slots, expected = compiled.slots, compiled.expected
        given: list[tuple[int, Any, Any]] = [*(e[1:] for e in expected), *slots.variables]
        again = compiled.program.again(compiled.template, given, slots.step, away, follows)
        if again is None:
            return None
        if slots.reads_graph:
            again = again._replace(both=None, code=None)
        names, read = [name for name, *_ in expected], partial(slots.current, self._values)
        return Ready(compiled, len(names), picked(names), read, again)

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
        settings = {"check_numerics": self._check, "inference": self._inference}
        return _restored, (type(self), self._sd, self._ids, self._engine, settings)

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
        plan = make_plan(
            self._sd,
            self._ids,
            leaf_avals,
            self._names,
            fold=not self._check,
            inference=self._inference,
            watched=self._watched,
        )
        plan = plan if self._tiny else dataclasses.replace(plan, tiny=False)
        program, engine = compile_plan(plan, self._engine, check_numerics=self._check)
        return _Compiled(plan, program, engine, self.placeholders, avals, self._standing)

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


@readable
def profile(f: Executable, feeds: Feeds | None = None, *, repeat: int = 10) -> Profile:
    """`Executable.profile` as a function.

    Args:
        f: A compiled function.
        feeds: Its feeds.
        repeat: How many runs; the shortest time of each part counts.

    Returns:
        The time of each part, and what it needs at least.

    Raises:
        ArgumentTypeError: If ``f`` is no compiled function.
        EngineError: If the engine cannot tell its parts.
    """
    if not isinstance(f, Executable):
        raise ArgumentTypeError("Only compiled functions are measured.", given=shown(f), fix="Use sd.compile(...).")
    return f.profile(feeds, repeat=repeat)


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


def _restored(
    make: type[Executable], sd: AnyGraph, ids: Sequence[int], engine: str, settings: Mapping[str, Any]
) -> Executable:
    return make(sd, [sd.handle(i) for i in ids], engine, **settings)


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
