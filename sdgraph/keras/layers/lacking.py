"""Layers of Keras that are not here, with the reason: for whoever asks for one by name, and for files that have one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_STRINGS: Final = "it works on strings or looks things up in a table; do that before, and feed numbers"
_PICTURES: Final = "it changes pictures at random, or resizes them; do that before, and feed the result"
_SOUND: Final = "there is no transform to frequencies"
_REMOVED: Final = "Keras 3 has it no more"
_BINS: Final = "its bins would follow the data; count with numpy.digitize, and feed numbers"
_ADAPTIVE: Final = "its windows have different sizes"


def _all(names: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


LACKING: Final[dict[str, str]] = {
    **_all("Hashing HashedCrossing IndexLookup IntegerLookup StringLookup TextVectorization", _STRINGS),
    **_all(
        "AugMix AutoContrast CenterCrop CutMix Equalization MaxNumBoundingBoxes MixUp Pipeline RandAugment", _PICTURES
    ),
    **_all("RandomApply RandomBrightness RandomChoice RandomColorDegeneration RandomColorJitter", _PICTURES),
    **_all("RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur", _PICTURES),
    **_all("RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization", _PICTURES),
    **_all("RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth", _PICTURES),
    **_all("RandomZoom Resizing Solarization", _PICTURES),
    **_all("MelSpectrogram STFTSpectrogram", _SOUND),
    **_all("AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D", _ADAPTIVE),
    **_all("AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D", _ADAPTIVE),
    **_all("ConvLSTM1D ConvLSTM2D ConvLSTM3D", "recurrent layers work on vectors"),
    **_all("LocallyConnected1D LocallyConnected2D MaxoutDense Highway TimeDistributedDense", _REMOVED),
    **_all("CuDNNGRU CuDNNLSTM", f"{_REMOVED}; GRU and LSTM compute the same"),
    **_all("ThresholdedLinear ParametricSoftplus SReLU", _REMOVED),
    "ContrastLimitedAdaptiveHistogramEqualization": _PICTURES,
    "Discretization": _BINS,
    "FlaxLayer": "it is a layer of another library",
    "InputSpec": "a layer looks at the shapes that its build is given",
    "JaxLayer": "it is a layer of another library",
    "ReversibleEmbedding": "it shares its table with its own inverse",
    "SpectralNormalization": "it changes a weight of another layer at each call",
    "TFSMLayer": "it runs a program of TensorFlow's",
    "TorchModuleWrapper": "it is a layer of another library",
}
"""The reason by the name of the class."""


def reason(name: str, here: Iterable[str]) -> str | None:
    """Why there is no layer of a name, as a sentence; None if Keras has none either, or it is here."""
    why = LACKING.get(name)
    return None if why is None or name in here else f"There is no layer {name} here: {why}."
