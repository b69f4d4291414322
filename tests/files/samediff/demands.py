"""What SameDiff insists on in a file, checked on its bytes.

A walk of its own with `struct`, by slot numbers: neither the code that writes files is used, nor the package with which
it does. Each of the `check_` functions is one demand that was found by loading variants of good files in nd4j-native
1.0.0-M2.1, where breaking it is an error or gives other numbers.
"""

import json
import re
import struct

import numpy as np

NUMPY = {1: "?", 3: ">f2", 5: ">f4", 6: ">f8", 7: ">i1", 8: ">i2", 9: ">i4", 10: ">i8", 11: ">u1"}
FLOATING = {3, 5, 6}
VARIABLE, CONSTANT, ARRAY, PLACEHOLDER = range(4)


class Table:
    """A table in the bytes of a file; fields by their slots."""

    def __init__(self, data, at):
        self.data, self.at = data, at
        self.vtable = at - struct.unpack_from("<i", data, at)[0]
        self.size = struct.unpack_from("<H", data, self.vtable)[0]

    def place(self, slot):
        k = 4 + 2 * slot
        offset = struct.unpack_from("<H", self.data, self.vtable + k)[0] if k < self.size else 0
        return self.at + offset if offset else None

    def number(self, slot, form):
        at = self.place(slot)
        return 0 if at is None else struct.unpack_from("<" + form, self.data, at)[0]

    def _pointed(self, slot):
        at = self.place(slot)
        return None if at is None else at + struct.unpack_from("<I", self.data, at)[0]

    def table(self, slot):
        at = self._pointed(slot)
        return None if at is None else Table(self.data, at)

    def text(self, slot):
        at = self._pointed(slot)
        return None if at is None else _text(self.data, at)

    def vector(self, slot, form):
        """Numbers, or with the form "T" tables and with "S" texts; empty where there is none."""
        at = self._pointed(slot)
        if at is None:
            return []
        (n,) = struct.unpack_from("<I", self.data, at)
        if form in "TS":
            places = [at + 4 + 4 * k for k in range(n)]
            pointed = [p + struct.unpack_from("<I", self.data, p)[0] for p in places]
            return [Table(self.data, p) if form == "T" else _text(self.data, p) for p in pointed]
        return list(struct.unpack_from(f"<{n}{form}", self.data, at + 4))

    def bytes(self, slot):
        at = self._pointed(slot)
        if at is None:
            return b""
        (n,) = struct.unpack_from("<I", self.data, at)
        return self.data[at + 4 : at + 4 + n]


def _text(data, at):
    (n,) = struct.unpack_from("<I", data, at)
    assert data[at + 4 + n] == 0, "a text ends with a zero"
    return data[at + 4 : at + 4 + n].decode("utf-8")


def pair(table):
    return table.number(0, "i"), table.number(1, "i")


class Variable:
    def __init__(self, table):
        self.id = pair(table.table(0))
        self.name = table.text(1)
        self.dtype = table.number(2, "b")
        self.shape = table.vector(3, "q")
        self.array = table.table(4)
        self.kind = table.number(6, "b")


class Node:
    def __init__(self, table):
        self.name, self.type, self.number = table.text(1), table.number(2, "b"), table.number(3, "q")
        self.properties = {p.text(0): p for p in table.vector(4, "T")}
        self.inputs = [pair(p) for p in table.vector(6, "T")]
        self.t, self.i = table.vector(8, "d"), table.vector(9, "q")
        self.b, self.dimensions = table.vector(10, "?"), table.vector(11, "i")
        self.outputs, self.op = table.vector(15, "S"), table.text(16)
        self.output_types, self.scalar = table.vector(17, "b"), table.table(18)
        self.d = table.vector(22, "b")

    def property_form(self, name):
        """In which slots the values of a property stand, as letters."""
        p = self.properties[name]
        forms = {1: "i", 2: "q", 3: "d", 4: "T", 5: "?", 6: "S"}
        return "".join("ildabs"[slot - 1] for slot, form in forms.items() if p.vector(slot, form))


class File:
    """A file with everything that the demands are about."""

    def __init__(self, data):
        root = Table(data, struct.unpack_from("<I", data, 0)[0])
        self.variables = [Variable(t) for t in root.vector(1, "T")]
        self.nodes = [Node(t) for t in root.vector(2, "T")]
        self.losses = root.vector(6, "S")
        self.config = root.text(7)
        self.state = {
            t.text(0): dict(zip(t.vector(1, "S"), t.vector(2, "T"), strict=True)) for t in root.vector(8, "T")
        }
        self.by_name = {v.name: v for v in self.variables}
        self.by_id = {v.id: v for v in self.variables}

    def operands(self, node):
        return [self.by_id[p] for p in node.inputs]


def check(data):
    """Hold a file against all demands that its bytes tell of; return it."""
    file = File(bytes(data))
    for name, demand in globals().items():
        if name.startswith("check_"):
            demand(file)
    return file


# ---------------------------------------------------------------------- 1 to 5: names, outputs, numbers


def check_1_node_names(file):
    names = [n.name for n in file.nodes]
    assert all(name is not None for name in names) and len(set(names)) == len(names)
    for node in file.nodes:
        assert not re.search(r":\d+$", node.name), node.name
        assert node.name not in file.by_name or node.name == node.outputs[0], node.name


def check_2_variable_names(file):
    assert len(file.by_name) == len(file.variables) and None not in file.by_name


def check_3_outputs_are_variables(file):
    made = set()
    for node in file.nodes:
        assert node.outputs and len(node.output_types) == len(node.outputs)
        found = [file.by_name[name] for name in node.outputs]
        assert {v.kind for v in found} == {ARRAY} and all(v.dtype in NUMPY for v in found)
        assert [v.dtype for v in found] == node.output_types
        assert [v.id[1] for v in found] == list(range(len(found))) and len({v.id[0] for v in found}) == 1
        assert not made & set(node.outputs)
        made |= set(node.outputs)
    assert made == {v.name for v in file.variables if v.kind == ARRAY}


def check_4_ids(file):
    assert len(file.by_id) == len(file.variables)
    assert all(p in file.by_id for n in file.nodes for p in n.inputs)


def hashed(name):
    """The number of a custom operation: 64 bits, of which the highest is a sign."""
    mask = (1 << 64) - 1
    table, h = [], 0x544B2FBACAAF1684
    for _ in range(256):
        for _ in range(31):
            h ^= h >> 7
            h = (h ^ (h << 11)) & mask
            h ^= h >> 10
        table.append(h)
    h = 0xBB40E64DA205B064
    for letter in name:
        for byte in (ord(letter) & 255, ord(letter) >> 8):
            h = (h * 7664345821815920749 & mask) ^ table[byte]
    return h - (1 << 64) if h >> 63 else h


HASHED_AS = {"ClipByValue": "clipbyvalue", "zeroslike": "zeros_as"}
# The numbers of the others, from files that SameDiff saved.
LEGACY = {
    **{name: (0, k) for name, k in {"sqrt": 1, "rsqrt": 3}.items()},
    **{name: (1, k) for name, k in {"abs": 0, "sign": 1, "neg": 3, "cube": 6, "Reciprocal": 11, "square": 12,
                                    "ceil": 17, "floor": 18}.items()},
    **{name: (2, k) for name, k in {"isinf": 1, "isnan": 2, "isfinite": 3}.items()},
    **{name: (3, k) for name, k in {
        "cos": 22, "exp": 23, "log": 24, "sigmoid": 26, "sin": 27, "softplus": 28, "tanh": 29, "acos": 30, "asin": 31,
        "atan": 32, "hardtanh": 33, "softsign": 34, "sinh": 39, "cosh": 40, "tan": 41, "selu": 42, "swish": 43,
        "log1p": 44, "erf": 45, "acosh": 46, "asinh": 47, "rint": 48, "logsigmoid": 49, "erfc": 50, "expm1": 51,
        "atanh": 52}.items()},
    **{name: (5, k) for name, k in {"reduce_mean": 0, "reduce_norm1": 2, "reduce_norm2": 3, "reduce_normmax": 4,
                                    "reduce_sqnorm": 7}.items()},
    **{name: (6, k) for name, k in {"reduce_sum": 0, "reduce_max": 1, "reduce_min": 2, "reduce_prod": 3}.items()},
    "countNonZero": (7, 0), "any": (8, 0), "all": (8, 1),
    **{name: (10, k) for name, k in {
        "add_scalar": 0, "sub_scalar": 1, "mul_scalar": 2, "div_scalar": 3, "rdiv_scalar": 4, "rsub_scalar": 5,
        "max_scalar": 6, "scalar_min": 13, "fmod_scalar": 18, "pow": 31, "leakyrelu": 35, "relu": 39, "relu6": 40,
        "step": 41}.items()},
    **{name: (11, k) for name, k in {
        "equals_scalar": 0, "greaterthan_scalar": 1, "lessthan_scalar": 2, "greaterthanorequal_scalar": 4,
        "notequals_scalar": 6, "lessthanorequal_scalar": 11}.items()},
    "std": (17, 1), "var": (17, 0),
    **{name: (20, k) for name, k in {
        "distribution_uniform": 0, "dropout": 1, "distribution_gaussian": 6, "distribution_bernoulli": 7,
        "distribution_binomial": 8, "distribution_lognormal": 10, "distribution_truncated": 11}.items()},
}  # fmt: skip


def check_5_numbers_of_operations(file):
    for node in file.nodes:
        assert node.op is not None
        wanted = LEGACY.get(node.op, (21, hashed(HASHED_AS.get(node.op, node.op))))
        assert (node.type, node.number) == wanted, node.op


# ---------------------------------------------------------------------- 6 to 8: arguments and properties

# How many integers, floats and booleans a custom operation computes with; ... for one or more.
ARGUMENTS = {
    "argmax": ("i", "", "b"), "argmin": ("i", "", "b"), "cast": ("i",), "ClipByValue": ("", "tt"), "concat": ("i",),
    "cumsum": ("iii",), "cumprod": ("iii",), "elu": ("", "t"), "expand_dims": ("i",), "gather": ("i",),
    "huber_loss": ("i", "t"), "log_loss": ("i", "t"), "matmul": ("iii", "tt"), "onehot": ("ii", "tt"),
    "permute": ("i...",), "reduce_logsumexp": ("i...", "t"), "reshape": ("i...",), "reverse": ("i...",),
    "size_at": ("i",), "softmax": ("i",), "split": ("ii",), "squeeze": ("i...",), "stack": ("i",),
    "strided_slice": ("i...",), "tile": ("i...",), "unstack": ("i",), "unsorted_segment_sum": ("i",),
    "cosine_distance_loss": ("ii",), "softmax_cross_entropy_loss": ("i", "t"), "sigm_cross_entropy_loss": ("i", "t"),
    "absolute_difference_loss": ("i",), "hinge_loss": ("i",), "mean_sqerr_loss": ("i",), "log_poisson_loss": ("i",),
    "solve": ("", "", "b"), "triangular_solve": ("", "", "bb"),
    "conv1d": ("i" * 6,), "conv2d": ("i" * 11,), "conv3dnew": ("i" * 14,), "depthwise_conv2d": ("i" * 10,),
    "sconv2d": ("i" * 11,), "deconv2d": ("i" * 10,), "deconv3d": ("i" * 14,), "maxpool2d": ("i" * 11,),
    "avgpool2d": ("i" * 11,), "maxpool3dnew": ("i" * 15,), "avgpool3dnew": ("i" * 15,),
}  # fmt: skip


def check_6_arguments(file):
    for node in file.nodes:
        if node.type == 21:
            wanted = (*ARGUMENTS.get(node.op, ()), "", "", "")
            for values, form in zip((node.i, node.t, node.b), wanted, strict=False):
                assert len(values) >= 1 if form.endswith("...") else len(values) == len(form), node.op
        if node.type in (5, 6, 7, 8, 16, 17):
            assert node.dimensions and (node.type == 17 or len(node.b) == 2), node.op
        if node.type in (0, 3, 5):
            assert set(node.output_types) <= FLOATING, f"{node.op} gives floats"
        if node.type in (10, 11):
            assert node.scalar.vector(0, "q")[0] == 0, node.op
            assert node.scalar.number(2, "b") == file.operands(node)[0].dtype, node.op
        for x in node.i + node.dimensions:
            assert node.op in ("reshape", "onehot", "strided_slice") or x >= 0, f"{node.op} has the axis {x}"


REDUCED = {
    "absolute_difference_loss": "lossReduce", "hinge_loss": "lossReduce", "mean_sqerr_loss": "lossReduce",
    "huber_loss": "lossReduce", "log_loss": "lossReduce", "sigm_cross_entropy_loss": "lossReduce",
    "softmax_cross_entropy_loss": "lossReduce", "cosine_distance_loss": "lossReduce",
    "log_poisson_loss": "reductionMode",
}  # fmt: skip
LOSSES = {*REDUCED, "l2_loss", "sparse_softmax_cross_entropy_loss_with_logits"}


def check_7_losses_have_three_operands(file):
    for node in file.nodes:
        if node.op in REDUCED:
            operands = file.operands(node)
            assert len(operands) == 3 and len({v.dtype for v in operands}) == 1, node.op
            name = REDUCED[node.op]
            (said,) = node.properties[name].vector(1, "i") + node.properties[name].vector(2, "q")
            assert said == node.i[0] in range(4)


# The type in which SameDiff itself stores a property, where a field of that type is set from it.
FORMS = {
    ("concat", "concatDimension"): "i", ("concat", "isDynamicAxis"): "b", ("split", "numSplit"): "i",
    ("split", "splitDim"): "i", ("unstack", "dimensions"): "l", ("stack", "dimensions"): "l",
    ("gather", "dimensions"): "l", ("tile", "dimensions"): "l", ("softmax", "dimension"): "l",
    ("elu", "alpha"): "d", ("huber_loss", "delta"): "d", ("log_loss", "epsilon"): "d",
    ("log_poisson_loss", "reductionMode"): "i", ("std", "biasCorrected"): "b", ("std", "keepDims"): "b",
    ("strided_slice", "begin_mask"): "l", ("matmul", "transposeA"): "b", ("leakyrelu", "alpha"): "d",
    ("pow", "pow"): "d", ("step", "cutoff"): "d", ("argmax", "keepDims"): "b", ("onehot", "depth"): "l",
}  # fmt: skip


def check_8_properties(file):
    for node in file.nodes:
        for (op, name), form in FORMS.items():
            if node.op == op:
                assert node.property_form(name) == form, (op, name)


# ---------------------------------------------------------------------- 9 and 10: values


def check_9_variables_have_their_arrays(file):
    for v in file.variables:
        assert (v.array is not None) == (v.kind in (VARIABLE, CONSTANT)), v.name
        if v.array is not None:
            assert v.array.number(2, "b") == v.dtype
        if v.kind == VARIABLE:
            assert v.dtype in FLOATING, f"SameDiff would train {v.name}"


def numbers(array):
    """The numbers of an array, by its own shape, steps and byte order."""
    info = array.vector(0, "q")
    rank = info[0]
    assert len(info) == 2 * rank + 4 and info[-1] == ord("c")
    shape, steps = info[1 : 1 + rank], info[1 + rank : 1 + 2 * rank]
    dtype = np.dtype(NUMPY[array.number(2, "b")])
    assert array.number(3, "b") == 1
    data = array.bytes(1)
    if info[-3] & 8:
        assert not data
        return np.zeros(shape or (0,), dtype)
    assert len(data) == dtype.itemsize * int(np.prod(shape))
    return np.ndarray(shape, dtype, data, strides=[dtype.itemsize * s for s in steps])


def check_10_arrays(file):
    arrays = [v.array for v in file.variables if v.array is not None]
    arrays += [n.scalar for n in file.nodes if n.scalar is not None]
    arrays += [array for kept in file.state.values() for array in kept.values()]
    for array in arrays:
        numbers(array)


# ---------------------------------------------------------------------- 11 and 12: losses and training


def check_11_losses(file):
    assert len(set(file.losses)) == len(file.losses)
    for name in file.losses:
        assert file.by_name[name].kind == ARRAY and file.by_name[name].dtype in FLOATING


KEPT = {
    "Adam": {"M", "V"}, "AMSGrad": {"M", "V", "V_HAT"}, "Nesterovs": {"V"}, "AdaGrad": {"grad"}, "RmsProp": {"G"},
    "AdaDelta": {"msg", "msdx"}, "Sgd": set(), "NoOp": set(),
}  # fmt: skip


def check_12_training(file):
    if file.config is None:
        assert not file.state
        return
    config = json.loads(file.config)
    package, _, updater = config["updater"]["@class"].rpartition(".")
    assert package == "org.nd4j.linalg.learning.config"
    assert type(config["iterationCount"]) is int
    assert all(type(config[f"dataSet{part}Mapping"]) is list for part in ("Feature", "Label"))
    if file.state:
        assert file.state.keys() >= {v.name for v in file.variables if v.kind == VARIABLE}
        assert all(kept.keys() == KEPT[updater] for kept in file.state.values())


# ---------------------------------------------------------------------- gradients that are wrong there

# Operations that have no gradient in SameDiff, or a wrong one, or one of single precision.
WRONG_GRADIENT = {
    "Where", "cholesky", "cross", "cumprod", "cumsum", "floormod", "fmod_scalar", "gather_nd", "leakyrelu", "logdet",
    "log_softmax", "matrix_determinant", "matrix_inverse", "max_scalar", "pad", "pow", "rdiv_scalar", "reduce_norm2",
    "reduce_logsumexp", "reduce_normmax", "rint", "scalar_min", "solve", "std", "swish", "top_k", "triangular_solve",
    "var",
}  # fmt: skip
# Operations whose gradient is wrong for an operand that is broadcast.
ONLY_OF_ONE_SHAPE = {"divide", "reversedivide", "tf_atan2", "squaredsubtract", "maximum", "minimum"}


def on_path(file):
    """The nodes that SameDiff differentiates: along floating variables, from trained ones to losses."""
    maker = {name: node for node in file.nodes for name in node.outputs}
    connected, todo = set(), list(file.losses)
    while todo:
        name = todo.pop()
        if name not in connected and file.by_name[name].dtype in FLOATING:
            connected.add(name)
            todo += [v.name for v in file.operands(maker[name])] if name in maker else []
    trained = {v.name for v in file.variables if v.kind == VARIABLE}
    found = []
    for node in file.nodes:
        floats = {v.name for v in file.operands(node) if v.dtype in FLOATING}
        if floats & trained & connected and connected & set(node.outputs):
            trained |= {name for name in node.outputs if file.by_name[name].dtype in FLOATING}
            found.append((node, trained))
    return found


def consumers_of(file):
    """What SameDiff differentiates of each variable's uses."""
    found = {}
    for node, _ in on_path(file):
        for v in file.operands(node):
            found.setdefault(v.name, set()).add(node.op)
    return found


def check_gradients_are_right_there(file):
    consumers = consumers_of(file)
    for node, _ in on_path(file):
        assert node.op not in WRONG_GRADIENT, node.op
    for node, trained in on_path(file):
        operands = [v.name for v in file.operands(node)]
        assert not (node.op == "gather" and operands[0] in trained)
        assert not (node.op in LOSSES and any(name in consumers for name in node.outputs)), "it ignores what comes in"


def operands_of(file, node):
    return [v.name for v in file.operands(node)]


def hold_shapes(file, shapes):
    """The demands that are about shapes, which a file does not have: given by the names of variables.

    Unknown sizes are all of one number, which is no other size.
    """
    shapes = {name: tuple(d if type(d) is int else 97 for d in shape) for name, shape in shapes.items()}
    for name in file.losses:
        (maker,) = [n for n in file.nodes if name in n.outputs]
        assert shapes[name] == () or maker.op in LOSSES, f"the loss {name} is no number"
    for node, trained in on_path(file):
        if node.op in ONLY_OF_ONE_SHAPE:
            full = np.broadcast_shapes(*[shapes[v.name] for v in file.operands(node)])
            for v in file.operands(node):
                assert v.name not in trained or shapes[v.name] == full, f"{node.op} broadcasts {v.name}"
        if node.op in ("reduce_max", "reduce_min"):
            # Of equal elements the first gets all of the gradient; nothing passes a stop.
            alone = shapes[operands_of(file, node)[0]] == (1,)
            assert alone or consumers_of(file)[node.outputs[0]] == {"stop_gradient"}, node.outputs
    for node in file.nodes:
        x = shapes[operands_of(file, node)[0]] if node.inputs else ()
        if 5 <= node.type <= 8 and len(x) == 2 and len(node.dimensions) == 1 and node.dimensions[0] < 2:
            assert x[node.dimensions[0]] != 1, f"{node.op} along an axis of size 1"
