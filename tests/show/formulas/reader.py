"""A reader of the formulas of elementwise arithmetic, which knows nothing of how they were written.

It takes the usual precedence: powers before products, products before sums, a large sum runs over the product behind
it. What stands side by side without a sign between is refused, and so is a power of a function, which mathematicians
read in two ways.
"""

import re

import numpy as np

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|[^\s]")
FUNCTIONS = {
    r"\tanh": np.tanh,
    r"\sin": np.sin,
    r"\exp": np.exp,
    r"\log": np.log,
    r"\max": np.maximum,
    r"\min": np.minimum,
    "exp": np.exp,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    r"\sigma": lambda x: 1 / (1 + np.exp(-x)),
}


def equations(text):
    """The right-hand side of each name, in order."""
    lines = text.split("\n")
    assert (lines[0], lines[-1]) == (r"\begin{align*}", r"\end{align*}")
    pairs = [line.removesuffix(r" \\").split(" &= ") for line in lines[1:-1]]
    found = dict(pairs)
    assert len(found) == len(pairs), "two equations for one name"
    return found


def value(text, leaves):
    """What the first equation comes to, where ``leaves`` has the values of names that have no equation."""
    found = equations(text)
    return _Reader(next(iter(found.values())), found, leaves).all()


class _Reader:
    def __init__(self, text, others, leaves):
        self.tokens = TOKEN.findall(text)
        self.k = 0
        self.others, self.leaves = others, leaves

    def all(self):
        result = self.sum()
        assert self.k == len(self.tokens), f"left over: {self.tokens[self.k :]}"
        return result

    def peek(self):
        return self.tokens[self.k] if self.k < len(self.tokens) else None

    def take(self, *expected):
        token = self.peek()
        assert token is not None
        assert not expected or token in expected, f"{token} instead of {expected}"
        self.k += 1
        return token

    def inside(self, opening, closing):
        for token in opening:
            self.take(token)
        result = self.sum()
        for token in closing:
            self.take(token)
        return result

    def sum(self):
        minus = self.peek() == "-" and self.take()
        result = -self.product() if minus else self.product()
        while self.peek() in ("+", "-"):
            sign = self.take()
            term = self.product()
            result = result + term if sign == "+" else result - term
        return result

    def product(self):
        if self.peek() == r"\sum":
            self.take()
            return np.sum(self.product())
        result = self.power()
        while self.peek() in (r"\odot", r"\cdot", r"\,"):
            self.take()
            if self.peek() == r"\sum":
                return result * self.product()
            result = result * self.power()
        return result

    def power(self):
        following = self.tokens[self.k + 1] if self.k + 1 < len(self.tokens) else None
        is_function = (self.peek() in FUNCTIONS and following == r"\left") or self.peek() == r"\operatorname"
        base = self.atom()
        if self.peek() == "^":
            assert not is_function, "a power of a function"
            self.take()
            base = base ** self.inside("{", "}")
            assert self.peek() != "^", "a power of a power"
        return base

    def atom(self):
        token = self.peek()
        if token == r"\left":
            sign = self.tokens[self.k + 1]
            result = self.inside((r"\left", sign), (r"\right", {"(": ")", "|": "|"}[sign]))
            return np.abs(result) if sign == "|" else result
        if token[0].isdigit():
            return np.float64(self.take())
        if token == r"\frac":
            self.take()
            return self.inside("{", "}") / self.inside("{", "}")
        if token == r"\sqrt":
            self.take()
            return np.sqrt(self.inside("{", "}"))
        return self.called() if token == r"\operatorname" else self.named()

    def called(self):
        self.take(r"\operatorname")
        self.take("{")
        name = ""
        while self.peek() != "}":
            name += self.take()
        self.take("}")
        return FUNCTIONS[name](*self.arguments())

    def arguments(self):
        self.take(r"\left")
        self.take("(")
        found = [self.sum()]
        while self.peek() == ",":
            self.take()
            found.append(self.sum())
        self.take(r"\right")
        self.take(")")
        return found

    def named(self):
        name = self.take()
        if name in (r"\mathrm", r"\mathit"):
            name += self.group()
        elif name in FUNCTIONS and self.peek() == r"\left":
            return FUNCTIONS[name](*self.arguments())
        if self.peek() == "_":
            name += self.take() + self.group()
        if self.peek() == "^" and self.tokens[self.k + 1 : self.k + 3] == ["{", "("]:
            name += self.take() + self.group()
        if name in self.others:
            return _Reader(self.others[name], self.others, self.leaves).all()
        if name in self.leaves:
            return self.leaves[name]
        assert name == "e", f"what is {name}?"
        return np.e

    def group(self):
        text = self.take("{")
        depth = 1
        while depth:
            token = self.take()
            depth += (token == "{") - (token == "}")
            text += token
        return text
