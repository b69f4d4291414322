"""What code is made for: a system, a CPU, and what it can do. Must not know LLVM or what the code does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_REGISTER_BITS = (("avx512f", 512), ("avx", 256))


class Computer(NamedTuple):
    """All that code depends on. Two that are equal run the same code."""

    triple: str
    """Architecture and system, as compilers name them: ``x86_64-unknown-linux-gnu``."""
    cpu: str
    """LLVM's name of the CPU; empty for the oldest of the architecture."""
    features: frozenset[str]
    """What the CPU can do, in LLVM's words."""
    missing: frozenset[str] = frozenset()
    """What other CPUs of that name can do and this one cannot."""

    @classmethod
    def of(cls, triple: str, cpu: str, features: Mapping[str, bool]) -> Computer:
        """A computer from what is said of each feature."""
        able = frozenset(name for name, has in features.items() if has)
        return cls(triple, cpu, able, frozenset(features) - able)

    @property
    def flags(self) -> str:
        """The features as a compiler takes them."""
        return ",".join([*(f"+{x}" for x in sorted(self.features)), *(f"-{x}" for x in sorted(self.missing))])

    @property
    def is_x86_64(self) -> bool:
        """Whether instructions are those of x86-64."""
        return self.triple.startswith(("x86_64", "amd64"))

    @property
    def is_arm64(self) -> bool:
        """Whether instructions are those of AArch64."""
        return self.triple.startswith(("aarch64", "arm64"))

    @property
    def register_bits(self) -> int:
        """The size of a vector register."""
        return next((bits for name, bits in _REGISTER_BITS if name in self.features), 128)

    def lanes(self, bytes_: int) -> int:
        """How many elements of that many bytes a vector has."""
        return max(2, self.register_bits // 8 // bytes_)
