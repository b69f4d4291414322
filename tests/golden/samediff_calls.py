"""Calls of SameDiff's operations as calls of sdgraph: which operation, which operands, which attributes.

Knows the names of parameters on both sides, and nothing about values. The names of operations are those of the porting
page.
"""

import re

from sdgraph.build.op import REGISTRY, Op
from tests.golden import cases, samediff_configs
from tests.golden.names import operation

# Parameters whose name here is not the Java name in snake_case.
RENAMED = {
    "dimensions": "axis",
    "dimension": "axis",
    "axes": "axis",
    "keepDims": "keepdims",
    "keepDim": "keepdims",
    "dataType": "dtype",
    "datatype": "dtype",
    "splitDim": "axis",
    "repeat": "reps",
    "from": "start",
    "to": "stop",
    "row": "rows",
    "column": "columns",
    "diag": "diagonal",
    "lambda": "rate",
    "l2_reguralizer": "l2_regularizer",
    "ImageResizeMethod": "method",
    "maxTSLength": "max_ts_length",
    "lstmdataformat": "data_format",
}
# Where the same Java name stands for something else.
RENAMED_IN = {
    ("sd", "permute"): {"dimensions": "axes"},
    ("math", "eye"): {"dimensions": "dimensions"},
    ("sd", "max"): {"first": "x", "second": "y"},
    ("sd", "min"): {"first": "x", "second": "y"},
    ("sd", "batchMmul"): {"inputsA": "a", "inputsB": "b"},
    ("nn", "dropout"): {"inputRetainProbability": "probability"},
    ("nn", "pad"): {"PadMode": "mode"},
    ("sd", "unstack"): {"value": "x"},
    ("sd", "scalarSet"): {"set": "value"},
    ("sd", "replaceWhere"): {"update": "x", "from": "replacement", "number": "replacement"},
    ("cnn", "upsampling2d"): {"scale": "scale_h"},
}
# Names of the first operand, which is not called by name here.
FIRST = {"in", "input", "layerInput", "arg", "df", "x"}
# Parameters without a meaning here: of several tables, which there is one of.
DROPPED = {"isComplex", "switchNum", "PartitionMode"}
# Where one changes nothing there.
DROPPED_IN = {("rnn", "lstmblock"): {"maxTSLength", "n"}}
# Objects of Java that hold several parameters.
HOLDERS = {"GRUWeights", "LSTMConfiguration", "LSTMLayerConfig", "LSTMLayerWeights", "LSTMWeights", "SRUWeights"}
# What an operation that was executed by itself takes, in its order.
EXECUTED = {
    "lstmBlock": "maxTSLength x cLast yLast weights inputPeepholeWeights forgetPeepholeWeights outputPeepholeWeights"
    " bias",
    "sruCell": "x cLast weights bias",
}
# What conditions are called there, as operations of the graph.
CONDITIONS = {"lessThan": "lt", "greaterThan": "gt"}


def op_of(case) -> Op:
    """The operation of sdgraph that a case calls."""
    namespace, name = case["namespace"], case["op"]
    if (namespace, name) in {("sd", "max"), ("sd", "min")} and "first" in case["call"]["args"]:
        return REGISTRY[f"math.{name}"]  # the same word for the larger of two arrays
    return REGISTRY[operation(namespace, name)]


def parameter(case, op, name):
    """What a parameter of Java is called here."""
    own = RENAMED_IN.get((case["namespace"], case["op"]), {})
    if name in own:
        return own[name]
    if name in FIRST and name not in op.signature.parameters:
        return op.operand_names[0]
    if name == "value" and op.operand_names[1:] == ("y",):
        return "y"
    if name in RENAMED and name not in op.signature.parameters:
        return RENAMED[name]
    return snake_case(name)


def snake_case(name):
    """A name of Java as one of Python."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def inputs(case):
    """The input arrays by name."""
    return {k: cases.array(spec) for k, spec in case["call"]["inputs"].items()}


def call(case, variables):
    """Operands by name (lists for an operation that takes several), and attributes.

    ``variables`` are what the inputs are in the graph, by name.
    """
    op, arrays = op_of(case), inputs(case)
    operands, attrs = {}, {}
    for name, given in arguments(case).items():
        if name in DROPPED | DROPPED_IN.get((case["namespace"], case["op"]), set()):
            continue
        if name in samediff_configs.CONFIGS:
            attrs.update(samediff_configs.CONFIGS[name](op, given))
            continue
        if isinstance(given, dict) and "condition" in given:
            if name in op.operand_names:
                # A condition and what it is asked of are one operand here.
                (x,) = operands.values()
                operands = {name: getattr(x.sd, CONDITIONS[given["condition"]])(x, given["value"])}
            else:
                attrs |= {"condition": snake_case(given["condition"]), "value": given.get("value", 0.0)}
            continue
        known = parameter(case, op, name)
        if known in op.operand_names or (op.variadic and isinstance(given, list)):
            operands[known] = _operand(given, variables)
        else:
            attrs[known] = _attribute(op, known, given, arrays)
    return op, operands, {**attrs, **DEFAULTS.get(f"{case['namespace']}.{case['op']}", {})}


def arguments(case):
    """The arguments by their names in Java, those that stand in an object among the others."""
    args = case["call"]["args"]
    if "op" in args:
        names = EXECUTED[args["op"]].split()
        placed = {name: {"input": k} for name, k in zip(names, args["order"], strict=True)}
        args = placed | {k: v for k, v in args.items() if k in HOLDERS}
    flat = {}
    for name, given in args.items():
        flat.update(given if name in HOLDERS else {name: given})
    return flat


def _operand(given, variables):
    if isinstance(given, list):
        return [_operand(one, variables) for one in given]
    return variables[given["input"]] if isinstance(given, dict) else given


# Operations that work along one axis, which Java takes as a list.
ONE_AXIS = {"argmax", "argmin", "cumsum", "cumprod"}


def _attribute(op, name, given, arrays):
    if isinstance(given, dict) and "input" in given:
        given = arrays[given["input"]].tolist()
    if name == "dtype":
        return cases.DTYPES[given]
    if name == "mode":
        return given.lower()
    if name == "method":
        return {"mitchellcubic": "mitchell"}.get(method := given.lower().removeprefix("resize"), method)
    if name == "k":
        return int(given)  # a double in Java
    if name == "probability":
        return 1 - given  # of keeping an element in Java
    if name == "axis" and isinstance(given, list) and (not given or op.name in ONE_AXIS):
        return None if not given else given[0] if len(given) == 1 else given
    return given


# What SameDiff has by default and sdgraph by a keyword.
DEFAULTS = {
    "nn.gelu": {"approximate": "sigmoid"},
    "nn.layerNorm": {"epsilon": 0.0},
    "linalg.svd": {"compute_uv": False},
}
# Which of sdgraph's outputs SameDiff returns, where it returns fewer.
RETURNED = {"linalg.lu": 1, "rnn.lstmblock": 1, "rnn.sru": 1, "rnn.sruCell": 1}


def results(sd, case, variables):
    """The outputs of a call in a graph, as many as SameDiff returns."""
    op, operands, attrs = call(case, variables)
    if case["op"] == "batchMmul":
        transposed = [
            [sd.transpose(v) if attrs.get(k) else v for v in vs]
            for vs, k in zip(operands.values(), ("transpose_a", "transpose_b"), strict=True)
        ]
        return [sd.linalg.matmul(a, b) for a, b in zip(*transposed, strict=True)]
    method = getattr(getattr(sd, op.namespace) if op.namespace else sd, op.name)
    several = [v for vs in operands.values() for v in vs] if op.variadic else ()
    out = method(*several, **attrs) if op.variadic else method(**operands, **attrs)
    outs = list(out) if isinstance(out, tuple) else [out]
    return outs if "program" in case else outs[: RETURNED.get(f"{case['namespace']}.{case['op']}")]
