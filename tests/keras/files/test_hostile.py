"""Files that are made to do harm: nothing is followed, unpacked or believed, and memory stays bounded."""

import json
import random
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from sdgraph.errors import FormatError
from sdgraph.keras.files.canonical import model_of
from sdgraph.keras.files.container import opened
from sdgraph.keras.files.owners import Owner, Slot
from sdgraph.keras.files.training_config import training_of
from sdgraph.keras.files.weights import match, stored_layers
from tests.keras.files import made

pytestmark = pytest.mark.any_engine
MODELS = Path(__file__).parents[2] / "golden" / "keras_models"
MODEL = Owner("Sequential", "s", parts={"layers": [Owner("Dense", "d", [Slot("k", (3, 2)), Slot("b", (2,))])]})


def everything(path, max_bytes=1 << 26):
    """All that a reader reads of a file."""
    with opened(path, max_bytes=max_bytes) as file:
        if file.config is not None:
            model_of(file.config, file.version, file.config_path)
        training_of(file)
        if file.kind == "h5" and file.weights is not None:
            for layer in stored_layers(file.weights):
                for array in layer.arrays:
                    array.read()
        elif file.weights is not None:
            dict(match(file, MODEL).arrays())


def refused(path, message, **settings):
    with pytest.raises(FormatError, match=message):
        everything(path, **settings)


def with_kernel(path, make):
    """A model whose first weight a function makes."""
    made.h5(path)
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/kernel:0"]
        make(file["model_weights/d/d"])
    return path


# ---------------------------------------------------------------------- HDF5


def test_a_link_to_another_file_is_not_followed(tmp_path):
    made.h5(tmp_path / "other.h5")

    def link(group):
        group["kernel:0"] = h5py.ExternalLink("other.h5", "/model_weights/d/d/kernel:0")

    path = with_kernel(tmp_path / "m.h5", link)
    refused(path, "kernel:0 is a link")


def test_a_link_in_the_same_file_is_not_followed(tmp_path):
    def link(group):
        group["kernel:0"] = h5py.SoftLink("/model_weights/d/d/bias:0")

    refused(with_kernel(tmp_path / "m.h5", link), "kernel:0 is a link")


@pytest.mark.parametrize("link", [h5py.SoftLink("/x"), h5py.ExternalLink("x.h5", "/")])
def test_a_link_in_place_of_a_group(tmp_path, link):
    path = made.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file.move("model_weights", "x")
        file["model_weights"] = link
    refused(path, "model_weights is a link")


def test_bytes_of_another_file_are_not_read(tmp_path):
    (tmp_path / "secret.txt").write_bytes(b"0123456789abcdef01234567")

    def outside(group):
        group.create_dataset("kernel:0", (3, 2), "f4", external=[(str(tmp_path / "secret.txt"), 0, 24)])

    refused(with_kernel(tmp_path / "m.h5", outside), "kernel:0 lie outside")


def test_a_virtual_array_is_not_read(tmp_path):
    def virtual(group):
        layout = h5py.VirtualLayout((3, 2), "f4")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "w", (3, 2))
        group.create_virtual_dataset("kernel:0", layout)

    refused(with_kernel(tmp_path / "m.h5", virtual), "kernel:0 lie outside")


@pytest.mark.parametrize("settings", [{}, {"chunks": (1, 1 << 16)}])
def test_an_array_of_four_terabytes_that_are_not_stored(tmp_path, settings):
    def huge(group):
        group.create_dataset("kernel:0", (1 << 20, 1 << 20), "f4", **settings)

    path = with_kernel(tmp_path / "m.h5", huge)
    assert path.stat().st_size < 1 << 17
    refused(path, "claims to be larger")


def test_a_compressed_array(tmp_path):
    def packed(group):
        group.create_dataset("kernel:0", data=np.zeros((1 << 20,), "f4"), compression="gzip")

    refused(with_kernel(tmp_path / "m.h5", packed), "compressed")


@pytest.mark.parametrize(
    "data", [np.array([b"abc"]), np.zeros(2, "c8"), np.zeros(2, [("a", "f4")]), np.array(["x", "y"], object)]
)
def test_an_array_of_no_numbers(tmp_path, data):
    def other(group):
        group.create_dataset("kernel:0", data=data)

    refused(with_kernel(tmp_path / "m.h5", other), "does not hold numbers")


def test_a_group_in_place_of_an_array_and_nothing_at_all(tmp_path):
    refused(with_kernel(tmp_path / "m.h5", lambda group: group.create_group("kernel:0")), "no array .*kernel:0")
    refused(with_kernel(tmp_path / "n.h5", lambda group: None), "no array .*kernel:0")


def test_one_array_under_many_names_counts_each_time(tmp_path):
    names = [f"w{k}" for k in range(100)]
    path = made.h5(tmp_path / "m.h5", weights={"d": {"w0": np.zeros(1 << 12, "f4")}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/d"]
        for name in names[1:]:
            group[name] = group["w0"]
        group.attrs["weight_names"] = names
    refused(path, "more memory than is allowed", max_bytes=1 << 19)
    everything(path)


def test_a_layer_twice_and_layers_in_each_other(tmp_path):
    path = made.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["layer_names"] = ["d", "d"]
    refused(path, "names a layer twice")

    def circle(file):
        layers = file.create_group("layers/dense/vars")
        layers["0"], layers["1"] = np.zeros((3, 2)), np.zeros(2)
        for name in ("a", "b"):
            file[f"layers/{name}"] = file["layers"]

    made.keras(tmp_path / "m.keras", weights=made.inner_h5(circle))
    refused(tmp_path / "m.keras", "lies in another place, too")


def test_many_names_that_are_one_long_text_in_the_file(tmp_path):
    """4000 texts of 64 kB each may be one and the same in the file, and would be 256 MB."""
    path = made.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps({**made.SEQUENTIAL, "more": "x" * (1 << 16)})
        file["model_weights"].attrs["layer_names"] = ["d"] * 4000
    refused(path, "layer_names may take more memory")


@pytest.mark.parametrize("value", [3, [1.5], ["a", "b"]])
def test_attributes_that_are_no_text(tmp_path, value):
    path = made.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = value
    refused(path, "@model_config")


@pytest.mark.parametrize("name", ["/d", "d//k", "./d", "d/.", ""])
def test_names_that_lead_elsewhere(tmp_path, name):
    path = made.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file["model_weights/d"].attrs["weight_names"] = [name]
    refused(path, "is no path of a group")


# ---------------------------------------------------------------------- zip


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([("evil.py", b"x")], "no part of a .keras file"),
        ([("../config.json", b"x")], "no part of a .keras file"),
        ([("model.weights.npz", b"x")], "npz"),
        ([("model.weights.json", b"x")], "several files"),
    ],
)
def test_members_that_keras_does_not_write(tmp_path, more, message):
    refused(made.keras(tmp_path / "m.keras", more=more), message)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(tmp_path):
    refused(made.keras(tmp_path / "m.keras", more=[("config.json", b"{}")]), "config.json is there twice")


def test_a_zip_file_without_a_model(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    refused(tmp_path / "m.keras", "has no config.json")


@pytest.mark.parametrize("name", ["model.weights.h5", "config.json"])
def test_a_member_that_unpacks_to_a_thousand_times_its_size(tmp_path, name):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json" if name != "config.json" else "metadata.json", json.dumps(made.SEQUENTIAL))
        with archive.open(name, "w") as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 19
    tracemalloc.start()
    try:
        refused(path, f"{name} is larger than it may be", max_bytes=2**31)
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()


def test_a_member_that_lies_about_its_size(tmp_path):
    path = made.keras(tmp_path / "m.keras", compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"config.json") - 46  # Its entry in the directory.
    data[at + 24 : at + 28] = (5).to_bytes(4, "little")
    path.write_bytes(data)
    refused(path, "no JSON|damaged")


def test_a_file_above_the_limit(tmp_path):
    path = made.h5(tmp_path / "m.h5")
    refused(path, "larger than is allowed", max_bytes=1000)
    with pytest.raises(FormatError, match="max_bytes"):
        everything(made.keras(tmp_path / "m.keras", config=json.dumps({"a": "x" * 999}), compression=8), max_bytes=900)


# ---------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000 + "1" + "}" * 200_000, "nested too deeply"),
        ('{"a": 1, "a": 2}', "a key twice"),
        ('{"config": {"a": 1, "b": 2, "a": 3}}', "a key twice"),
        ('{"a": ' + "9" * 5000 + "}", "no JSON"),
        ("[" + "0," * 4_000_001 + "0]", "more parts than any model"),
        ('{"a": "\udcff"}'.encode("utf-8", "surrogateescape"), "no JSON"),
        ("[]", "no object"),
        ('"Sequential"', "no object"),
    ],
    ids=lambda v: str(v)[:12],
)
def test_json_of_the_hostile_kind(tmp_path, text, message):
    refused(made.keras(tmp_path / "m.keras", config=text), message)


def nested(depth):
    config = made.SEQUENTIAL
    for k in range(depth):
        config = {"class_name": "Sequential", "config": {"name": f"s{k}", "layers": [config]}}
    return config


def test_models_in_models(tmp_path):
    everything(made.keras(tmp_path / "m.keras", config=nested(15)))
    refused(made.keras(tmp_path / "n.keras", config=nested(60)), "nested too deeply")


@pytest.mark.parametrize(
    "policy",
    ["int8_from_float32", {"class_name": "QuantizedFloat8DTypePolicy", "config": {"name": "float8_from_float32"}}],
)
def test_quantised_weights_are_not_taken_for_numbers(tmp_path, policy):
    layer = {"class_name": "Dense", "config": {"name": "d", "units": 2, "dtype": policy}}
    refused(
        made.keras(tmp_path / "m.keras", config={"class_name": "Sequential", "config": {"layers": [layer]}}),
        "quantised",
    )


# ---------------------------------------------------------------------- damage


def damaged(data, seed):
    draw = random.Random(seed)
    data = bytearray(data)
    if draw.random() < 0.2:
        return data[: draw.randrange(len(data))]
    for _ in range(draw.choice([1, 1, 2, 4, 16, 64])):
        k = draw.randrange(len(data))
        data[k] = draw.choice([0, 255, data[k] ^ 1 << draw.randrange(8), draw.randrange(256)])
    return data


@pytest.mark.parametrize("name", ["regression_two_inputs.h5", "mlp_softmax.keras", "transformer_block.keras"])
@pytest.mark.parametrize(
    "seeds", [range(80), pytest.param(range(80, 2000), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_damage_is_found_or_does_no_harm(tmp_path, name, seeds):
    data, path, found = (MODELS / name).read_bytes(), tmp_path / name, 0
    for seed in seeds:
        path.write_bytes(damaged(data, seed))
        try:
            everything(path)
        except FormatError:
            found += 1
    assert found > len(seeds) // 2
