"""Kernels recognised: what a framework computes by one call, wherever a graph of pairs computes the same.

What a part of a graph is, is asked of the part itself, by what it computes at random points
(`einstan.machine.passes.sampled`): no name decides, nor how somebody wrote it.  A part is replaced where it is one
function of values that the graph has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from einstan.language.term import Name
from einstan.machine.passes.activations import Activations
from einstan.machine.passes.attention import Attention
from einstan.machine.passes.norms import Norms
from einstan.machine.passes.rewritten import Rewritten
from einstan.machine.passes.softmaxes import Softmaxes
from einstan.machine.sizes.operations import Graph, Stored


def recognised(
    graph: Graph,
    tensors: Mapping[Name, Stored],
    outputs: Collection[Name],
    known: Mapping[str, int],
    general: bool = False,
) -> tuple[Graph, dict[Name, Stored]]:
    """The graph and where its tensors are, the same but for kernels; ``general`` where it is for all sizes."""
    made = Rewritten(graph, tensors, outputs, known, general)
    softmaxes, norms, activations = kinds = Softmaxes(made), Norms(made), Activations(made)
    for kind in kinds:
        kind.forward()
    activations.backward()
    norms.backward()
    softmaxes.backward()
    for value in softmaxes.shares:
        Attention(softmaxes, value).put()
    return made.rebuilt()
