"""The layers, one file each: its equation, its declared partials, its initialisers and its source.

A file that stands here is a layer and has its name.  It is proved when it is first asked for, so that ``from
einstan.layers import dense`` costs the proof of one layer.
"""

import sys
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what the files of the folder define, for tools that check types
    from einstan.layers.attention import attention as attention
    from einstan.layers.average_pool_1d import average_pool_1d as average_pool_1d
    from einstan.layers.average_pool_2d import average_pool_2d as average_pool_2d
    from einstan.layers.binary_cross_entropy import binary_cross_entropy as binary_cross_entropy
    from einstan.layers.causal_attention import causal_attention as causal_attention
    from einstan.layers.convolution_1d import convolution_1d as convolution_1d
    from einstan.layers.convolution_2d import convolution_2d as convolution_2d
    from einstan.layers.correlation_1d import correlation_1d as correlation_1d
    from einstan.layers.correlation_2d import correlation_2d as correlation_2d
    from einstan.layers.cosine_similarity import cosine_similarity as cosine_similarity
    from einstan.layers.cross_entropy import cross_entropy as cross_entropy
    from einstan.layers.dense import dense as dense
    from einstan.layers.embedding import embedding as embedding
    from einstan.layers.gelu import gelu as gelu
    from einstan.layers.gelu_tanh import gelu_tanh as gelu_tanh
    from einstan.layers.huber import huber as huber
    from einstan.layers.kl_divergence import kl_divergence as kl_divergence
    from einstan.layers.layer_norm import layer_norm as layer_norm
    from einstan.layers.log_softmax import log_softmax as log_softmax
    from einstan.layers.max_pool_1d import max_pool_1d as max_pool_1d
    from einstan.layers.max_pool_2d import max_pool_2d as max_pool_2d
    from einstan.layers.mean_squared_error import mean_squared_error as mean_squared_error
    from einstan.layers.relu import relu as relu
    from einstan.layers.sigmoid import sigmoid as sigmoid
    from einstan.layers.softmax import softmax as softmax
    from einstan.layers.softplus import softplus as softplus
    from einstan.layers.tanh import tanh as tanh
    from einstan.layers.transposed_convolution_1d import transposed_convolution_1d as transposed_convolution_1d
    from einstan.layers.transposed_convolution_2d import transposed_convolution_2d as transposed_convolution_2d
    from einstan.library.layer import Layer

__all__ = sorted(module.name for module in iter_modules(__path__))  # noqa: PLE0605  a file is a layer


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
