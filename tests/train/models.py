"""The models that SameDiff was trained on, as graphs."""

import numpy as np

from sdgraph import LossReduce, SameDiff


def build(name, dtype, initial):
    """The graph of a model with its initial weights, and the names of its losses."""
    sd = SameDiff()
    v = {k: sd.var(k, np.array(a, dtype)) for k, a in initial.items()}
    x, y = (sd.placeholder(k, (None, None), dtype) for k in "xy")
    mean = LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT
    if name in ("softmax_regression", "softmax_zero_column"):
        sd.loss.softmax_cross_entropy(y, x @ v["w"] + v["b"], loss_reduce=mean, name="loss")
    elif name == "mlp_tanh_mse":
        hidden = sd.math.tanh(x @ v["w1"] + v["b1"])
        sd.loss.mean_squared_error(y, hidden @ v["w2"] + v["b2"], loss_reduce=mean, name="loss")
    elif name == "sigmoid_smoothing":
        sd.loss.sigmoid_cross_entropy(y, x @ v["w"] + v["b"], loss_reduce=mean, label_smoothing=0.1, name="loss")
    elif name == "two_losses":
        p = x @ v["w1"]
        sd.loss.mean_squared_error(y, p, loss_reduce=mean, name="loss_a")
        sd.loss.absolute_difference(y, sd.math.tanh(p + x @ v["w2"]), loss_reduce=LossReduce.SUM, name="loss_b")
    elif name == "linear_scalar_bias":
        by_weight = LossReduce.MEAN_BY_WEIGHT
        sd.loss.mean_squared_error(y, x @ v["w"] + v["s"], loss_reduce=by_weight, name="loss")
    else:
        assert name == "tied_weights", name
        hidden = sd.math.tanh(x @ v["w"] + v["b"])
        sd.loss.mean_squared_error(y, hidden @ sd.permute(v["w"], (1, 0)), loss_reduce=mean, name="loss")
    return sd
