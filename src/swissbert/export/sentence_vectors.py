"""Export of an encoder to a folder that ``sentence_transformers.SentenceTransformer`` loads."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from swissbert.encoder.checkpoint import write_encoder
from swissbert.encoder.pooling import POOLINGS
from swissbert.export.plan import CARD, write_new_folder
from swissbert.inference.model import Model
from swissbert.model_folder.layout import POOLING

TYPES = "sentence_transformers.models"
"""Where that library finds its modules, whatever its release."""


def export_sentence_vectors(model: Model, out: Path) -> Path:
    """Write the encoder so that sentence-transformers gives the vectors of `Model.encode`.

    The heads are left out. A pooler is written as a dense layer with tanh on the first token.

    Args:
        model: The model.
        out: The folder to create.

    Returns:
        The folder.

    Raises:
        SwissbertError: If `out` is not free, or cannot be written.
    """
    encoder = model.network.encoder
    pooling, size = POOLINGS[encoder.pooling], encoder.config.hidden_size

    def fill(new: Path) -> None:
        write_encoder(encoder, new)
        model.tokenizer.save(new, model.description.encoder.max_length)
        modules = ["Transformer", "Pooling", *(["Dense"] if pooling.uses_pooler else []), "Normalize"]
        paths = ["" if number == 0 else f"{number}_{name}" for number, name in enumerate(modules)]
        for path in paths[1:]:
            (new / path).mkdir()
        _write(
            new / "modules.json",
            [
                {"idx": number, "name": str(number), "path": path, "type": f"{TYPES}.{name}"}
                for number, (name, path) in enumerate(zip(modules, paths, strict=True))
            ],
        )
        _write(
            new / "sentence_bert_config.json",
            {"max_seq_length": model.description.encoder.max_length, "do_lower_case": False},
        )
        _write(
            new / POOLING,
            {
                "word_embedding_dimension": size,
                "pooling_mode_cls_token": pooling.uses_first,
                "pooling_mode_mean_tokens": pooling.uses_mean,
                "pooling_mode_max_tokens": False,
                "pooling_mode_mean_sqrt_len_tokens": False,
            },
        )
        if pooling.uses_pooler:
            dense = {"in_features": size, "out_features": size, "bias": True}
            _write(new / paths[2] / "config.json", {**dense, "activation_function": "torch.nn.modules.activation.Tanh"})
            weights = {
                f"linear.{name}": tensor.detach().float().cpu().contiguous()
                for name, tensor in encoder.pooler.state_dict().items()
            }
            save_file(weights, new / paths[2] / "model.safetensors")
        (new / CARD).write_text(_card(model), encoding="utf-8")

    write_new_folder(out, fill)
    return out


def _card(model: Model) -> str:
    """Return the folder's README."""
    pooling = POOLINGS[model.network.encoder.pooling]
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---

# Sentence vectors

The encoder of a swissBERT model ({", ".join(model.tasks)}). A vector is {pooling.title}, of length 1.

```python
from sentence_transformers import SentenceTransformer

vectors = SentenceTransformer("THIS_FOLDER").encode(["one text", "another"])
```
"""


def _write(path: Path, table: Any) -> None:
    path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
