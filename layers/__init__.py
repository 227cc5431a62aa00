"""The layers, one file each: its equation, its declared partials, its initialisers and its source.

A layer is proved when it is first asked for, so ``from einstan.layers import dense`` costs the proof of one layer.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from einstan.layers.attention import attention
    from einstan.layers.average_pool_1d import average_pool_1d
    from einstan.layers.average_pool_2d import average_pool_2d
    from einstan.layers.binary_cross_entropy import binary_cross_entropy
    from einstan.layers.causal_attention import causal_attention
    from einstan.layers.convolution_1d import convolution_1d
    from einstan.layers.convolution_2d import convolution_2d
    from einstan.layers.correlation_1d import correlation_1d
    from einstan.layers.correlation_2d import correlation_2d
    from einstan.layers.cosine_similarity import cosine_similarity
    from einstan.layers.cross_entropy import cross_entropy
    from einstan.layers.dense import dense
    from einstan.layers.embedding import embedding
    from einstan.layers.gelu import gelu
    from einstan.layers.gelu_tanh import gelu_tanh
    from einstan.layers.huber import huber
    from einstan.layers.kl_divergence import kl_divergence
    from einstan.layers.layer_norm import layer_norm
    from einstan.layers.log_softmax import log_softmax
    from einstan.layers.max_pool_1d import max_pool_1d
    from einstan.layers.max_pool_2d import max_pool_2d
    from einstan.layers.mean_squared_error import mean_squared_error
    from einstan.layers.relu import relu
    from einstan.layers.sigmoid import sigmoid
    from einstan.layers.softmax import softmax
    from einstan.layers.softplus import softplus
    from einstan.layers.tanh import tanh
    from einstan.layers.transposed_convolution_1d import transposed_convolution_1d
    from einstan.layers.transposed_convolution_2d import transposed_convolution_2d
    from einstan.library.layer import Layer

__all__ = [
    "attention",
    "average_pool_1d",
    "average_pool_2d",
    "binary_cross_entropy",
    "causal_attention",
    "convolution_1d",
    "convolution_2d",
    "correlation_1d",
    "correlation_2d",
    "cosine_similarity",
    "cross_entropy",
    "dense",
    "embedding",
    "gelu",
    "gelu_tanh",
    "huber",
    "kl_divergence",
    "layer_norm",
    "log_softmax",
    "max_pool_1d",
    "max_pool_2d",
    "mean_squared_error",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
    "transposed_convolution_1d",
    "transposed_convolution_2d",
]


class _Package(ModuleType):
    """Importing the file ``dense`` puts it into the package under that name; the layer takes its place."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> "Layer":
    if name not in __all__:
        raise AttributeError(f"there is no layer {name!r} in {__name__}")
    layer: Layer = getattr(import_module(f"{__name__}.{name}"), name)
    return layer


def __dir__() -> list[str]:
    return sorted(__all__)
