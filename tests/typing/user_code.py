"""What programs of users look like to a type checker. Read by pyright, never run.

Each line marked as wrong must be reported: a mark that nothing needs is an error of its own.
"""
# pyright: standard, reportUnnecessaryTypeIgnoreComment=true

from typing import Any, assert_type

import numpy as np

import sdgraph
import sdgraph.nd as nd
from sdgraph import LossReduce, Namespace, Operand, SameDiff, SDVariable, composite, primitive
from sdgraph.infer import shapes
from sdgraph.keras import losses

Array = np.ndarray[Any, Any]
Arrays = dict[str, np.ndarray[Any, Any]]

# ---------------------------------------------------------------------- a graph

sd = SameDiff(dtype="float64", seed=1)
x = sd.placeholder("x", shape=(None, 3))
labels = sd.placeholder("labels", shape=("batch",), dtype="int64")
w = sd.var("w", shape=(3, 2), init="glorot_uniform")
b = sd.var("b", np.zeros(2), dtype=np.float64)
half = sd.constant("half", 0.5)
also = sd.constant([1.0, 2.0])
for made in (x, labels, w, b, half, also):
    assert_type(made, SDVariable)
assert_type(sd["w"], SDVariable)
assert_type(w.value, Array)
assert_type(sd.variables("placeholder"), list[SDVariable])
w.value = [[1.0, 2.0]] * 3
w.value = np.ones((3, 2))
sd.placeholder("z", shap=(3,))  # pyright: ignore[reportCallIssue]
sd.var("v", init="glorot", shape=(2,), sed=3)  # pyright: ignore[reportCallIssue]
sd.variables("placholder")  # pyright: ignore[reportArgumentType]

# ---------------------------------------------------------------------- expressions

for expression in (
    x @ w + b,
    2 * x,
    1.0 / x,
    x**2,
    2.0**x,
    -abs(x),
    x - np.ones(3),
    x / np.float64(8),
    [1.0, 2.0, 3.0] * x,
    x[:, 0],
    x[..., None],
    x.T,
    x > 0,
    x.sum(axis=0).mean(),
    x.reshape(-1, 3),
    x.cast("float32"),
):
    assert_type(expression, SDVariable)
assert_type(np.ones(3) @ w, SDVariable)
assert_type(np.ones(3) * x, SDVariable)
assert_type(np.float64(2.0) * x, SDVariable)
assert_type(sd.nn.softmax(x @ w, name="p"), SDVariable)
assert_type(sd.math().tanh(x), SDVariable)
assert_type(sd.concat([x, x], axis=0), SDVariable)
assert_type(sd.where(x > 0, x, 0.0), SDVariable)
assert_type(sd.linalg.qr(x), tuple[SDVariable, SDVariable])
assert_type(sd.unstack(x, axis=1), tuple[SDVariable, ...])
assert_type(sd.random.normal(0.0, 1.0, (3,)), SDVariable)
sd.nn.rellu(x)  # pyright: ignore[reportAttributeAccessIssue]
x.exp()  # pyright: ignore[reportAttributeAccessIssue]
sd.sum(x, axs=0)  # pyright: ignore[reportCallIssue]
sd.nn.softmax(x, nmae="p")  # pyright: ignore[reportCallIssue]
sd.nn.gelu(x, approximate="tan")  # pyright: ignore[reportArgumentType]
sd.loss.huber_loss(x)  # pyright: ignore[reportCallIssue]
np.sin(x)  # pyright: ignore[reportArgumentType, reportCallIssue]
float(x.sum())  # pyright: ignore[reportArgumentType]
len(x)  # pyright: ignore[reportArgumentType]
range(x.sum())  # pyright: ignore[reportArgumentType]
x[0, 0] = 3.0  # pyright: ignore[reportIndexIssue]
sd.lss.huber_loss(x, x)  # pyright: ignore[reportAttributeAccessIssue]

# ---------------------------------------------------------------------- losses and gradients

loss = sd.loss.mean_squared_error(0.0, x @ w, None, loss_reduce=LossReduce.SUM, name="loss")
assert_type(loss, SDVariable)
total = loss + 0.1 * sd.loss.l2_loss(w)
assert_type(total.mark_as_loss(), SDVariable)
assert_type(sd.loss_variables(), list[SDVariable])
assert_type(sd.grad(total, w), SDVariable)
assert_type(sd.grad("loss", "w"), SDVariable)
assert_type(sd.grad(total, [w, b]), list[SDVariable])
assert_type(sd.grad([loss, total], ["w"]), list[SDVariable])
assert_type(sd.jacobian(loss, w), SDVariable)
assert_type(sd.hessian(loss, "w"), SDVariable)
assert_type(w.gradient(), SDVariable)
sd.loss.huber_loss(x, x, loss_reduce="mean")  # pyright: ignore[reportArgumentType]
sd.loss.huber_loss(x, x, dleta=1.0)  # pyright: ignore[reportCallIssue]

feeds = {"x": np.ones((4, 3)), "labels": [0, 1, 0, 1]}
assert_type(sd.calculate_gradients(feeds, ["w"]), Arrays)
assert_type(sd.calculate_gradients(feeds, [w, "b"])["w"], Array)
assert_type(sd.calculate_gradients_and_outputs(feeds, [loss])[0], Arrays)
sd.calculate_gradients(feeds, wtr=["w"])  # pyright: ignore[reportCallIssue]

# ---------------------------------------------------------------------- evaluation

f = sd.compile([loss, "w"], engine="llvm")
assert_type(f, sdgraph.Executable)
assert_type(f(feeds), Arrays)
assert_type(f(feeds)["loss"], Array)
assert_type(f(x=np.ones((4, 3)), step=3), Arrays)
assert_type(f({x: [[1.0, 2.0, 3.0]]}), Arrays)
assert_type(loss.eval(feeds), Array)
assert_type(loss.eval(x=[[1.0, 2.0, 3.0]], engine="numpy"), Array)
assert_type(sd.output(feeds, ["loss"]), Arrays)
assert_type(sd.output(feeds, [loss, "w"])["loss"], Array)
chosen: str = f.engine
sd.compile(loss, engine=chosen)
float(loss.eval(feeds))
sd.compile(loss, check_numeric=True)  # pyright: ignore[reportCallIssue]
sd.output(fetches=loss, engin="numpy")  # pyright: ignore[reportCallIssue]

# ---------------------------------------------------------------------- pictures

picture = sd.plot(total, view="gradient", wrt=[w, "b"], feeds=feeds, values="stats", theme="dark", max_nodes=None)
assert_type(picture.svg, str)
sd.plot("loss", color_by=lambda v: float(v.ndim), expand=[loss], focus="w", depth=1)
sd.plot(color_by={"w": 1.0}, plan=f.plan)
sd.render("graph.svg", direction="LR", dpi=200)
sd.explore(feeds=feeds, height=500)
sd.to_html("graph.html", values="none")
assert_type(sd.to_dot(edge_labels="all"), str)
assert_type(sd.to_mermaid(["loss"], legend=False), str)
assert_type(sd.to_networkx("both", data="plain").number_of_nodes(), int)
print(sd.summary(sort="size"))
before = sdgraph.viz.set_options(theme="dark")
sdgraph.viz.set_options(**before)
sd.plot(veiw="gradient")  # pyright: ignore[reportCallIssue]
sd.plot(view="grad")  # pyright: ignore[reportArgumentType]
sd.plot(max_nodes="all")  # pyright: ignore[reportArgumentType]
sd.render("graph.svg", thme="dark")  # pyright: ignore[reportCallIssue]
sd.explore(view="gradient")  # pyright: ignore[reportCallIssue]
sd.to_html("graph.html", focus="w")  # pyright: ignore[reportCallIssue]
sd.to_dot(direction="UP")  # pyright: ignore[reportArgumentType]
sd.to_networkx("backward")  # pyright: ignore[reportArgumentType]
sd.summary(sort="shape")  # pyright: ignore[reportArgumentType]
sdgraph.viz.set_options(colour="dark")  # pyright: ignore[reportCallIssue]

# ---------------------------------------------------------------------- Keras' losses

huber = losses.Huber(delta=2.0, reduction="sum")
assert_type(huber([[1.0]], [[2.0]]), Array)
assert_type(huber(np.ones((2, 1)), x @ w), SDVariable)
assert_type(huber(x, [[1.0, 2.0, 3.0]], sample_weight=[1.0]), SDVariable)
assert_type(huber.get_config(), dict[str, Any])
losses.Huber(dleta=2.0)  # pyright: ignore[reportCallIssue]
losses.Hubber()  # pyright: ignore[reportAttributeAccessIssue]


class Quartic(losses.Loss):
    def __init__(self, power: float = 4.0, reduction: str = "sum") -> None:
        super().__init__("quartic", reduction)
        self.power = power

    def call(self, y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
        return ((y_true - y_pred) ** self.power).mean(-1)


assert_type(Quartic()([[0.0]], [[2.0]]), Array)

# ---------------------------------------------------------------------- operations on arrays

assert_type(nd.loss.huber_loss([1.0], [2.0]), Array)
assert_type(nd.keras.mean_squared_error([[1.0]], [[2.0]]), Array)
assert_type(nd.nn.softmax(np.ones(3)), Array)
assert_type(nd.sum([[1.0, 2.0]], axis=0), Array)
assert_type(nd.concat([np.zeros(1), np.ones(2)], axis=0), Array)
assert_type(nd.linalg.qr(np.ones((3, 2))), tuple[Array, Array])
assert_type(nd.linalg.svd(np.ones((3, 2))), tuple[Array, Array, Array])
assert_type(nd.unstack([1.0, 2.0]), tuple[Array, ...])
assert_type(nd.random.normal(0.0, 1.0, (3,)), Array)
nd.sum([1.0], axs=0)  # pyright: ignore[reportCallIssue]
nd.summ([1.0])  # pyright: ignore[reportAttributeAccessIssue]
nd.loss.hubber([1.0], [1.0])  # pyright: ignore[reportAttributeAccessIssue]

# ---------------------------------------------------------------------- operations of one's own


class Mine(Namespace, prefix="mine"):
    @composite
    def focal(self, y: Operand, p: Operand, *, gamma: float = 2.0, name: str | None = None) -> SDVariable:
        """A composite is a body of other operations."""
        m = self.sd.math
        return self.sd.mean(m.mul(m.pow(m.sub(1.0, p), gamma), m.log(p)))

    @primitive(infer=shapes.same, kernel=lambda xp, a: xp.sinh(a), vjp=lambda g, y, a: g * g.sd.math.cosh(a))
    def sinh(self, a: Operand, *, name: str | None = None) -> SDVariable:
        """A primitive has a kernel."""
        ...

    @composite
    def halves(self, a: Operand) -> tuple[SDVariable, SDVariable]:
        """Several outputs."""
        return self.sd.math.mul(a, 0.5), self.sd.math.mul(a, -0.5)


my = Mine(sd)
assert_type(my.focal(x, x, gamma=3.0), SDVariable)
assert_type(my.sinh([1.0, 2.0], name="s"), SDVariable)
assert_type(my.halves(x), tuple[SDVariable, SDVariable])
my.focal(x, x, gama=3.0)  # pyright: ignore[reportCallIssue]
my.focal(x, x, gamma="3")  # pyright: ignore[reportArgumentType]
my.sin(x)  # pyright: ignore[reportAttributeAccessIssue]
