"""Models of every class of layers, and of several ways to put them together, for either library.

Each is a function of the module: ``sdgraph.keras`` or Keras itself.
"""

L2 = {"class_name": "L2", "config": {"l2": 0.1}}
STEPS, PICTURE, VOLUME = (6, 4), (6, 5, 4), (4, 5, 4, 2)
SPACE = {"1D": STEPS, "2D": PICTURE, "3D": VOLUME}


def _of_space(stem, config, *kinds):
    """One case for each number of axes, as far as there is such a layer."""
    return [(f"{stem}{kind}{end}", SPACE[kind], config) for kind, end in kinds]


PLAIN = [(kind, "") for kind in SPACE]
BACK = [(kind, "Transpose") for kind in SPACE]
FLAT = PLAIN[:2]

# Class, shape of the input without the batch, or a list of shapes, and settings.
CASES = [
    ("Dense", (5,), {"units": 3, "activation": "gelu", "kernel_regularizer": L2}),
    ("Dense", STEPS, {"units": 3, "use_bias": False, "activation": "leaky_relu"}),
    ("Dense", (5,), {"units": 3, "trainable": False}),
    ("EinsumDense", STEPS, {"equation": "abc,cd->abd", "output_shape": [6, 3], "bias_axes": "d"}),
    ("Activation", (5,), {"activation": "hard_sigmoid"}),
    ("Identity", (5,), {}),
    ("Embedding", (6,), {"input_dim": 7, "output_dim": 3, "mask_zero": True, "dtype": "float32"}),
    ("Masking", STEPS, {"mask_value": 0.5}),
    ("ELU", (5,), {"alpha": 0.5}),
    ("ReLU", (5,), {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}),
    ("LeakyReLU", (5,), {"negative_slope": 0.2}),
    ("PReLU", STEPS, {"shared_axes": [1]}),
    ("Softmax", STEPS, {"axis": 1}),
    ("ActivityRegularization", (5,), {"l1": 0.1, "l2": 0.2}),
    ("Dropout", STEPS, {"rate": 0.4, "seed": 3}),
    ("Dropout", STEPS, {"rate": 0.0}),
    ("AlphaDropout", STEPS, {"rate": 0.4}),
    ("GaussianDropout", STEPS, {"rate": 0.4}),
    ("GaussianNoise", STEPS, {"stddev": 0.4}),
    *_of_space("SpatialDropout", {"rate": 0.3}, *PLAIN),
    ("BatchNormalization", STEPS, {"momentum": 0.8, "epsilon": 0.01}),
    ("BatchNormalization", PICTURE, {"axis": 1, "center": False}),
    ("LayerNormalization", STEPS, {"axis": [1, 2]}),
    ("LayerNormalization", STEPS, {"rms_scaling": True}),
    ("GroupNormalization", STEPS, {"groups": 2}),
    ("RMSNormalization", STEPS, {}),
    ("UnitNormalization", STEPS, {"axis": -1}),
    ("Rescaling", STEPS, {"scale": 0.5, "offset": 1.0}),
    ("Normalization", STEPS, {"axis": -1}),
    ("Normalization", STEPS, {"mean": 1.0, "variance": 4.0}),
    ("CategoryEncoding", (6,), {"num_tokens": 7, "output_mode": "count"}),
    ("Flatten", PICTURE, {}),
    ("Flatten", PICTURE, {"data_format": "channels_first"}),
    ("Reshape", STEPS, {"target_shape": [-1, 3]}),
    ("Permute", PICTURE, {"dims": [3, 1, 2]}),
    ("RepeatVector", (5,), {"n": 3}),
    *_of_space("Conv", {"filters": 3, "kernel_size": 2, "padding": "same", "strides": 2}, *PLAIN),
    ("Conv1D", STEPS, {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "groups": 2}),
    ("Conv2D", PICTURE, {"filters": 3, "kernel_size": [3, 2], "dilation_rate": [1, 2], "activation": "relu"}),
    *_of_space("Conv", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, *BACK),
    ("Conv2DTranspose", PICTURE, {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1}),
    *_of_space("DepthwiseConv", {"kernel_size": 2, "depth_multiplier": 2}, *FLAT),
    *_of_space("SeparableConv", {"filters": 3, "kernel_size": 2, "padding": "same"}, *FLAT),
    *_of_space("MaxPooling", {"pool_size": 2, "padding": "same"}, *PLAIN),
    *_of_space("AveragePooling", {"pool_size": 2, "strides": 1, "padding": "same"}, *PLAIN),
    *_of_space("GlobalMaxPooling", {"keepdims": True}, *PLAIN),
    *_of_space("GlobalAveragePooling", {}, *PLAIN),
    *_of_space("Cropping", {"cropping": 1}, *PLAIN),
    *_of_space("ZeroPadding", {"padding": 1}, *PLAIN),
    *_of_space("UpSampling", {"size": 2}, *PLAIN),
    ("UpSampling2D", PICTURE, {"size": [2, 3], "interpolation": "bilinear"}),
    ("SimpleRNN", STEPS, {"units": 3, "activation": "relu"}),
    ("LSTM", STEPS, {"units": 3, "return_sequences": True, "recurrent_activation": "hard_sigmoid"}),
    ("LSTM", STEPS, {"units": 3, "dropout": 0.2, "recurrent_dropout": 0.1, "use_bias": False}),
    ("GRU", STEPS, {"units": 3, "go_backwards": True}),
    ("GRU", STEPS, {"units": 3, "reset_after": False, "return_sequences": True}),
    *[(name, [(5,), (5,)], {}) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")],
    ("Concatenate", [STEPS, (3, 4)], {"axis": 1}),
    ("Dot", [STEPS, STEPS], {"axes": 2, "normalize": True}),
    ("Attention", [STEPS, (5, 4)], {"use_scale": True, "score_mode": "concat"}),
    ("Attention", [STEPS, (5, 4)], {"dropout": 0.2}),
    ("AdditiveAttention", [STEPS, (5, 4)], {"dropout": 0.2}),
]


def layer_model(case):
    """A model of one layer."""
    name, shapes, config = case

    def make(k):
        dtype = {"dtype": "int32"} if name in ("Embedding", "CategoryEncoding") else {}
        if isinstance(shapes, list):
            inputs = [k.Input(shape, **dtype) for shape in shapes]
            return k.Model(inputs, getattr(k.layers, name)(**config)(inputs))
        x = k.Input(shapes, **dtype)
        return k.Model(x, getattr(k.layers, name)(**config)(x))

    return make


# ---------------------------------------------------------------------- put together


def attention(k):
    layers, x, y = k.layers, k.Input(STEPS, name="x"), k.Input((5, 3), name="y")
    a = layers.MultiHeadAttention(2, 3, dropout=0.1, name="att")(x, y, y)
    b = layers.GroupQueryAttention(4, 2, 2)(a, a, use_causal_mask=True)
    c = layers.MultiHeadAttention(2, 3, value_dim=2, output_shape=4, use_bias=False, dropout=0.1)(b, b)
    return k.Model([x, y], layers.Dense(2)(layers.LayerNormalization()(layers.add([a, b, c]))))


def words(k):
    layers, x = k.layers, k.Input((6,), dtype="int32")
    h = layers.Embedding(7, 4, mask_zero=True)(x)
    h = layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.2))(h)
    h = layers.TimeDistributed(layers.Dense(4, activation="tanh"))(h)
    h = layers.Dropout(0.2)(h)
    a = layers.MultiHeadAttention(2, 2)(h, h)
    both = layers.GRU(3)(layers.Add()([h, a])), layers.GlobalAveragePooling1D()(h)
    return k.Model(x, layers.Dense(3, activation="softmax")(layers.concatenate(list(both))))


def cells(k):
    layers, x = k.layers, k.Input(STEPS)
    h = layers.RNN([layers.LSTMCell(3, dropout=0.1), layers.GRUCell(2)], return_sequences=True)(x)
    h = layers.RNN(layers.SimpleRNNCell(3), return_sequences=True)(h)
    h = layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode="sum", trainable=True)(h)
    h = layers.Bidirectional(
        layers.RNN(layers.StackedRNNCells([layers.GRUCell(2), layers.SimpleRNNCell(3)])), merge_mode="ave"
    )(h)
    return k.Model(x, h)


def states(k):
    layers, x = k.layers, k.Input(STEPS)
    h, *state = layers.LSTM(3, return_sequences=True, return_state=True)(x)
    h = layers.LSTM(3)(h, initial_state=state)
    g, end = layers.GRU(3, return_state=True)(x)
    both = layers.Bidirectional(layers.GRU(3), merge_mode="mul")(x, initial_state=[h, end])
    return k.Model(x, [layers.Dense(2, name="first")(g), layers.Dense(1, name="second")(both)])


def nested(k):
    layers, x = k.layers, k.Input((5,))
    inner = k.Sequential([k.Input((4,)), layers.Dense(4, activation="relu"), layers.BatchNormalization()], name="inner")
    y = k.Input((4,))
    two = k.Model(y, layers.Add()([layers.Dense(4, name="again")(y), inner(y)]), name="two")
    h = layers.Dense(4)(x)
    h = layers.subtract([two(h), two(inner(h))])
    return k.Model(x, layers.Dense(1)(layers.Dropout(0.3)(h)), name="outer")


def towers(k):
    """A layer, and a model, for each of two inputs."""
    layers, a, b = k.layers, k.Input((5,), name="a"), k.Input((5,), name="b")
    tower = k.Sequential([layers.Dense(4, activation="tanh"), layers.LayerNormalization()], name="tower")
    both = layers.Dense(3, name="both")
    c = layers.Dot(axes=-1, normalize=True)([both(tower(a)), both(tower(b))])
    ends = [layers.Dense(1, "sigmoid", name="p")(c), layers.Dense(2, name="q")(both(tower(b)))]
    return k.Model({"a": a, "b": b}, ends, name="m")


def pictures(k):
    layers, x = k.layers, k.Input((8, 8, 2))
    h = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    h = layers.Add()([h, layers.SeparableConv2D(4, 3, padding="same")(h)])
    h = layers.MaxPooling2D()(h)
    h = layers.SpatialDropout2D(0.2)(layers.DepthwiseConv2D(3, activation="relu")(h))
    return k.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(h)))


def frozen(k):
    return k.Sequential(
        [
            k.Input((5,)),
            k.layers.Dense(4, trainable=False),
            k.layers.BatchNormalization(trainable=False),
            k.layers.BatchNormalization(),
            k.layers.Dense(2),
        ]
    )


def stack(k):
    """Two of a class in a row: files number them."""
    inner = k.Sequential([k.layers.Dense(3), k.layers.Dense(4), k.layers.ReLU(), k.layers.Dense(3)])
    return k.Sequential([k.Input((5,)), k.layers.Dense(4), inner, k.layers.Dense(2), k.layers.Activation("softmax")])


def diamonds(k):
    layers, x = k.layers, k.Input((5,))
    a = layers.Dense(4, name="z")(x)
    b = layers.Dense(4, name="y")(layers.ELU()(x))
    c = layers.Dense(4, name="w")(layers.multiply([a, b]))
    d = layers.Dense(4, name="v")(layers.maximum([c, a, b]))
    return k.Model(x, [layers.Dense(1, name="end")(layers.average([d, a])), layers.Dense(2, name="side")(b)])


MADE = [attention, words, cells, states, nested, towers, pictures, frozen, stack, diamonds]
NOT_ALONE = {
    *("Layer", "Wrapper", "Lambda", "InputLayer", "Input"),
    *("RNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", "Bidirectional", "TimeDistributed"),
    *("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention", "ThresholdedReLU"),
}
"""Classes that are in no case: those of `MADE`, and those that are no layer of Keras 3 that files have."""


def named(case):
    """What a case is called."""
    shapes = case[1] if isinstance(case[1], list) else [case[1]]
    return f"{case[0]}-{len(shapes)}x{len(shapes[0])}-{'-'.join(map(str, case[2]))}"[:70]


KINDS = {make.__name__: make for make in MADE} | {
    f"{k}-{named(case)}": layer_model(case) for k, case in enumerate(CASES)
}
