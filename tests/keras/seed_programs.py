"""Programs that pages about Keras' losses show, as functions: what one page shows, in the page's order and words.

Only the import lines tell which library runs them: under Keras itself they are `import keras`, `from keras import ...`.
What pages leave out is added: data, two epochs, and weights that are the same under both. Lines that the pages show are
kept; `tf.` is `ops.`, and the lines with the gradient tape are one call of `value_and_gradients`.
"""

import numpy as np

from sdgraph import keras
from sdgraph.keras import layers, losses, ops
from sdgraph.keras.utils import to_categorical

FIT = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}


def rng():
    return np.random.default_rng(7)


def points(columns=10, rows=32):
    return rng().normal(size=(rows, columns)).astype("float32")


def classes(n, rows=32):
    return rng().integers(0, n, rows)


def the_same_weights(model, scale=0.3):
    """Weights that do not depend on who draws them."""
    draw = rng()
    model.set_weights([(scale * draw.normal(size=w.shape)).astype("float32") for w in model.get_weights()])
    return model


def numbers(values):
    """Numbers of either library as numpy's."""
    return [np.asarray(v) for v in values]


def told(history, model):
    return {**history.history, "weights": [np.asarray(w) for w in model.get_weights()]}


def batches(y, size=8):
    x = points()
    return [(x[k : k + size], y[k : k + size]) for k in range(0, len(x), size)]


# ---------------------------------------------------------------------- Keras 3's page: compile and fit


def the_model():
    model = keras.Sequential()
    model.add(layers.Dense(64, kernel_initializer="uniform", input_shape=(10,)))
    model.add(layers.Activation("softmax"))
    return model


def keras3_compile_with_a_loss_object():
    model = keras.Sequential()
    model.add(layers.Dense(64, kernel_initializer="uniform", input_shape=(10,)))
    model.add(layers.Activation("softmax"))
    loss_fn = keras.losses.SparseCategoricalCrossentropy()
    model.compile(loss=loss_fn, optimizer="adam")
    the_same_weights(model)
    return told(model.fit(points(), classes(64), **FIT), model)


def keras3_the_initial_weights():
    kernel, bias = the_model().get_weights()
    return {"kernel": abs(kernel).max() <= 0.05, "spread": abs(kernel).max() > 0.04, "bias": abs(bias).max()}


def keras3_compile_with_a_string():
    model = the_same_weights(the_model())
    # pass optimizer by name: default parameters will be used
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    return told(model.fit(points(), classes(64), **FIT), model)


def keras3_a_loss_of_logits():
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras.Sequential()
    model.add(layers.Dense(64, kernel_initializer="uniform", input_shape=(10,)))
    model.compile(loss=loss_fn, optimizer="adam")
    the_same_weights(model)
    return told(model.fit(points(), classes(64), **FIT), model)


def keras3_reductions():
    printed = [keras.losses.mean_squared_error(ops.ones((2, 2)), ops.zeros((2, 2)))]
    loss_fn = keras.losses.MeanSquaredError(reduction="sum_over_batch_size")
    printed.append(loss_fn(ops.ones((2, 2)), ops.zeros((2, 2))))
    loss_fn = keras.losses.MeanSquaredError(reduction="sum")
    printed.append(loss_fn(ops.ones((2, 2)), ops.zeros((2, 2))))
    loss_fn = keras.losses.MeanSquaredError(reduction="none")
    printed.append(loss_fn(ops.ones((2, 2)), ops.zeros((2, 2))))
    loss_fn = keras.losses.mean_squared_error
    printed.append(loss_fn(ops.ones((2, 2)), ops.zeros((2, 2))))
    loss_fn = keras.losses.MeanSquaredError()
    printed.append(loss_fn(ops.ones((2, 2)), ops.zeros((2, 2))))
    return numbers(printed)


def keras3_a_training_loop():
    model = keras.Sequential()
    model.add(layers.Dense(5, input_shape=(10,)))
    the_same_weights(model)
    dataset = batches(to_categorical(classes(5), 5))
    found = []
    loss_fn = keras.losses.CategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam()
    for _ in range(2):
        # Iterate over the batches of a dataset.
        for x, y in dataset:
            # Compute the loss value for this batch, and its gradients.
            loss_value, gradients = model.value_and_gradients(x, y, loss_fn)
            # Update the weights of the model to minimize the loss value.
            optimizer.apply_gradients(zip(gradients, model.trainable_weights))  # noqa: B905
            found.append(loss_value)
    return {"losses": numbers(found), "weights": numbers(model.get_weights())}


def keras3_a_loss_function():
    def my_loss_fn(y_true, y_pred):
        squared_difference = ops.square(y_true - y_pred)
        return ops.mean(squared_difference, axis=-1)  # Note the `axis=-1`

    model = keras.Sequential()
    model.add(layers.Dense(2, input_shape=(10,)))
    model.compile(optimizer="adam", loss=my_loss_fn)
    the_same_weights(model)
    return told(model.fit(points(), points(2), **FIT), model)


# ---------------------------------------------------------------------- Keras 3's page: add_loss


class MyActivityRegularizer(keras.layers.Layer):
    """Layer that creates an activity sparsity regularization loss."""

    def __init__(self, rate=1e-2):
        super().__init__()
        self.rate = rate

    def call(self, inputs):
        # We use `add_loss` to create a regularization loss
        # that depends on the inputs.
        self.add_loss(self.rate * ops.sum(ops.square(inputs)))
        return inputs


class SparseMLP(layers.Layer):
    """Stack of Linear layers with a sparsity regularization loss."""

    def __init__(self, output_dim):
        super().__init__()
        self.dense_1 = layers.Dense(32, activation=ops.relu)
        self.regularization = MyActivityRegularizer(1e-2)
        self.dense_2 = layers.Dense(output_dim)

    def call(self, inputs):
        x = self.dense_1(inputs)
        x = self.regularization(x)
        return self.dense_2(x)


def keras3_losses_of_a_layer():
    mlp = SparseMLP(1)
    y = mlp(ops.ones((10, 10)))
    shapes = [np.shape(y), len(mlp.losses), np.shape(np.asarray(mlp.losses[0])), np.asarray(mlp.losses[0]).dtype.name]
    the_same_weights(mlp)
    y = mlp(ops.ones((10, 10)))
    return {"shapes": shapes, "y": np.asarray(y), "losses": numbers(mlp.losses)}


def keras3_losses_are_those_of_the_last_pass():
    # Losses correspond to the *last* forward pass.
    mlp = SparseMLP(1)
    mlp(ops.ones((10, 10)))
    first = len(mlp.losses)
    mlp(ops.ones((10, 10)))
    return [first, len(mlp.losses)]  # No accumulation.


def sparse_model(outputs):
    model = keras.Sequential()
    model.add(SparseMLP(outputs))
    model(ops.ones((2, 10)))
    return the_same_weights(model)


def keras3_fit_with_added_losses():
    model = sparse_model(1)
    model.compile(loss="mse", optimizer="adam")
    return told(model.fit(points(), points(1), **FIT), model)


def keras3_a_training_loop_with_added_losses():
    model = sparse_model(3)
    dataset = batches(to_categorical(classes(3), 3))
    found = []
    loss_fn = keras.losses.CategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam()
    for _ in range(2):
        # Iterate over the batches of a dataset.
        for x, y in dataset:
            # Loss value for this batch, with the extra loss terms of `model.losses`, and its gradients.
            loss_value, gradients = model.value_and_gradients(x, y, loss_fn)
            # Update the weights of the model to minimize the loss value.
            optimizer.apply_gradients(zip(gradients, model.trainable_weights))  # noqa: B905
            found.append(loss_value)
    return {"losses": numbers(found), "weights": numbers(model.get_weights())}


# ---------------------------------------------------------------------- the notes on tf.keras


def one_layer(units, activation=None):
    model = keras.Sequential()
    model.add(layers.Dense(units, activation=activation, input_shape=(10,)))
    return the_same_weights(model)


def notes_mean_squared_error():
    model = one_layer(1)
    model.compile(optimizer="adam", loss=keras.losses.MeanSquaredError())
    by_class = told(model.fit(points(), points(1), **FIT), model)
    # Or:
    model = one_layer(1)
    model.compile(optimizer="adam", loss="mse")
    return [by_class, told(model.fit(points(), points(1), **FIT), model)]


def notes_binary_crossentropy():
    found = []
    for from_logits, activation in ((False, "sigmoid"), (True, None)):
        model = one_layer(1, activation)
        model.compile(
            optimizer="adam",
            loss=keras.losses.BinaryCrossentropy(from_logits=from_logits),
            metrics=["accuracy"],
        )
        found.append(told(model.fit(points(), classes(2)[:, None], **FIT), model))
    return found


def notes_categorical_crossentropy():
    y_train_integers = classes(10)
    y_train_one_hot = keras.utils.to_categorical(y_train_integers, num_classes=10)
    model = one_layer(10, "softmax")
    model.compile(
        optimizer="adam",
        loss=keras.losses.CategoricalCrossentropy(from_logits=False),  # If last layer is softmax
        metrics=["accuracy"],
    )
    return told(model.fit(points(), y_train_one_hot, **FIT), model)


def notes_sparse_categorical_crossentropy():
    model = one_layer(10, "softmax")
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=False),  # If last layer is softmax
        metrics=["accuracy"],
    )
    return told(model.fit(points(), classes(10), **FIT), model)


def notes_the_losses_by_name():
    model, found = one_layer(1), []
    by_class = [keras.losses.Huber(), keras.losses.Hinge(), keras.losses.KLDivergence()]
    for loss in ("mean_squared_error", "mse", "mean_absolute_error", "mae", "mape", "hinge", "kld", *by_class):
        model.compile(optimizer="sgd", loss=loss)
        found.append(np.asarray(model.evaluate(points(), 1 + abs(points(1)), batch_size=8, verbose=0)))
    return found


def notes_a_weighted_loss():
    def my_custom_weighted_mse(y_true, y_pred):
        # Assume y_true might have a third dimension for sample weights, or weights are passed differently
        # For simplicity, let's define a simple weighting based on true value
        squared_difference = ops.square(y_true - y_pred)
        # Example: Penalize errors more for larger true values (conceptual)
        weights = ops.cast(y_true > 50, "float32") * 1.5 + 0.5  # Higher weight if y_true > 50
        weighted_squared_difference = weights * squared_difference
        return ops.mean(weighted_squared_difference, axis=-1)  # Average over last axis

    model = one_layer(1)
    model.compile(optimizer="adam", loss=my_custom_weighted_mse)
    return told(model.fit(points(), 50 + 10 * points(1), **FIT), model)


# ---------------------------------------------------------------------- the old page

OLD_NAMES = (
    *("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error"),
    *("mean_squared_logarithmic_error", "squared_hinge", "hinge", "categorical_hinge", "logcosh"),
    *("categorical_crossentropy", "binary_crossentropy", "kullback_leibler_divergence", "poisson", "cosine_proximity"),
)


def old_compile_with_a_string():
    model = one_layer(2)
    model.compile(loss="mean_squared_error", optimizer="sgd")
    return told(model.fit(points(), points(2), **FIT), model)


def old_compile_with_a_function():
    model = one_layer(2)
    model.compile(loss=losses.mean_squared_error, optimizer="sgd")
    return told(model.fit(points(), points(2), **FIT), model)


def old_available_functions():
    y_true, y_pred = np.array([[0.0, 1.0, 0.0]], "float32"), np.array([[0.1, 0.7, 0.2]], "float32")
    found = {n: np.asarray(getattr(losses, n)(y_true, y_pred)) for n in OLD_NAMES if hasattr(losses, n)}
    return {**found, "sparse": np.asarray(losses.sparse_categorical_crossentropy(np.array([1]), y_pred))}


def old_categorical_labels():
    int_labels = classes(4, 6)
    categorical_labels = to_categorical(int_labels, num_classes=None)
    return np.asarray(categorical_labels)
