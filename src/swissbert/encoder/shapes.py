"""Names and shapes of the parameters of an encoder, from its configuration alone. Does not import torch."""

from swissbert.family.config import BertConfig


def parameter_shapes(config: BertConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter of `swissbert.encoder.Bert`, by its name and in its order."""
    size, inner = config.hidden_size, config.intermediate_size
    width = config.embedding_size or size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word.weight": (config.vocab_size, width),
        "embeddings.position.weight": (config.position_offset + config.max_positions, width),
    }
    if config.token_types:
        shapes["embeddings.token_type.weight"] = (config.token_types, width)
    shapes |= _norm("embeddings.norm", width)
    if config.embedding_size:
        shapes |= _linear("embeddings.projection", width, size)
    for number in range(config.layer_groups or config.layers):
        layer = f"layers.{number}"
        shapes |= _linear(f"{layer}.qkv", size, 3 * size)
        shapes |= _linear(f"{layer}.attention_out", size, size)
        shapes |= _norm(f"{layer}.attention_norm", size)
        shapes |= _linear(f"{layer}.up", size, inner)
        shapes |= _linear(f"{layer}.down", inner, size)
        shapes |= _norm(f"{layer}.norm", size)
    if config.relative_buckets:
        shapes["relative_bias.weight"] = (config.relative_buckets, config.heads)
    if config.has_pooler:
        shapes |= _linear("pooler", size, size)
    return shapes


def stack(config: BertConfig) -> list[int]:
    """Return the number of the layer at each place of the computation, from 0: several places may share one."""
    distinct = config.layer_groups or config.layers
    return [place * distinct // config.layers for place in range(config.layers)]


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}
