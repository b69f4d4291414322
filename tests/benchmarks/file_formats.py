"""Arrays in the files of several libraries: written, read, and opened without reading.

Each as a user of the library would. Libraries are imported when they are asked for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sdgraph import SameDiff

Arrays = dict[str, np.ndarray]


class FileFormat(NamedTuple):
    """How one library keeps arrays by name. ``open`` leaves them on the disk; None where that cannot be."""

    packages: tuple[str, ...]
    save: Callable[[Path, Arrays], Any]
    load: Callable[[Path], Arrays]
    open: Callable[[Path], Any] | None = None


def graph_of(arrays: Arrays) -> SameDiff:
    """A graph whose variables have these values."""
    sd = SameDiff()
    for name, array in arrays.items():
        sd.var(name, array)
    return sd


def _sdgraph_save(path: Path, arrays: Arrays) -> None:
    graph_of(arrays).save(path, fsync=False)


def _values(sd: SameDiff) -> Arrays:
    return {v.name: v.value for v in sd.variables()}


def _npz_load(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _npz_save(save: Callable[..., None]) -> Callable[[Path, Arrays], None]:
    def to(path: Path, arrays: Arrays) -> None:
        with open(path, "wb") as file:  # By a name it would add a suffix.
            save(file, **arrays)

    return to


def _npy_save(path: Path, arrays: Arrays) -> None:
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)


def _npy_load(mode: Any) -> Callable[[Path], Arrays]:
    return lambda path: {p.stem: np.load(p, mmap_mode=mode) for p in path.iterdir()}


def _safetensors_save(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save_file

    save_file(arrays, path)


def _safetensors_load(path: Path) -> Arrays:
    from safetensors.numpy import load_file

    return load_file(path)


def _safetensors_open(path: Path) -> Any:
    from safetensors.torch import load_file  # Its tensors share the memory of the file; numpy's are copies.

    return load_file(path)


def _torch_save(path: Path, arrays: Arrays) -> None:
    import torch

    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)


def _torch_load(path: Path) -> Arrays:
    return {name: tensor.numpy() for name, tensor in _torch_open(path, mmap=False).items()}


def _torch_open(path: Path, mmap: bool = True) -> Any:
    import torch

    return torch.load(path, weights_only=True, mmap=mmap)


def _hdf5_save(**options: Any) -> Callable[[Path, Arrays], None]:
    def save(path: Path, arrays: Arrays) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, **(options if array.ndim else {}))

    return save


def _hdf5_load(path: Path) -> Arrays:
    import h5py

    with h5py.File(path, "r") as file:
        return {name: file[name][()] for name in file}


def _onnx_save(path: Path, arrays: Arrays) -> None:
    import onnx
    from onnx import helper, numpy_helper

    first = next(iter(arrays))
    out = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(arrays[first].dtype), arrays[first].shape)
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph([helper.make_node("Identity", [first], ["y"])], "graph", [], [out], constants)
    onnx.save(helper.make_model(graph), path)


def _onnx_load(path: Path) -> Arrays:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    onnx.checker.check_model(model)
    return {tensor.name: np.array(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}


SDGRAPH = "sdgraph"
FORMATS = {
    SDGRAPH: FileFormat(
        (), _sdgraph_save, lambda path: _values(SameDiff.load(path)), lambda path: SameDiff.load(path, mmap=True)
    ),
    "np.savez": FileFormat((), _npz_save(np.savez), _npz_load),
    "np.savez_compressed": FileFormat((), _npz_save(np.savez_compressed), _npz_load),
    "np.save": FileFormat((), _npy_save, _npy_load(None), _npy_load("r")),
    "safetensors": FileFormat(("safetensors",), _safetensors_save, _safetensors_load, _safetensors_open),
    "torch.save": FileFormat(("torch",), _torch_save, _torch_load, _torch_open),
    "HDF5": FileFormat(("h5py",), _hdf5_save(), _hdf5_load),
    "HDF5 fletcher32": FileFormat(("h5py",), _hdf5_save(fletcher32=True), _hdf5_load),
    "ONNX": FileFormat(("onnx",), _onnx_save, _onnx_load),
}
