"""Peer: score pairs of quora-dev from raw text, tokenisation included, the better of two passes.

    python benchmarks/peers/inference.py --data DIR --peer pipeline [--batch 32] [--threads 2] [--limit 100]

Peers are the transformers pipeline, the CrossEncoder of sentence-transformers, and ONNX Runtime with the usual export and
batches sorted by length. All use MiniLM-L6 with a new head of one output. Prints one JSON line.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data import encoder_folder, read_rows
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

Pairs = list[tuple[str, ...]]


def classifier() -> Any:
    """Return MiniLM-L6 with a new head of one output, in eval mode."""
    return AutoModelForSequenceClassification.from_pretrained(encoder_folder(), num_labels=1).eval()


def with_pipeline(pairs: Pairs, batch: int) -> Callable[[], object]:
    """Return a function that scores the pairs with the pipeline of transformers."""
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder())
    score = pipeline("text-classification", model=classifier(), tokenizer=tokenizer, batch_size=batch, device=-1)
    inputs = [{"text": first, "text_pair": second} for first, second in pairs]
    return lambda: score(inputs, function_to_apply="none")


def with_cross_encoder(pairs: Pairs, batch: int, dtype: torch.dtype) -> Callable[[], object]:
    """Return a function that scores the pairs with sentence-transformers."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(encoder_folder()), num_labels=1, device="cpu", model_kwargs={"dtype": dtype})
    return lambda: model.predict(pairs, batch_size=batch, show_progress_bar=False)


def export(folder: Path, int8: bool) -> Path:
    """Export the classifier to ONNX with dynamic batch and length; with `int8`, quantise its weights dynamically."""
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder())
    example = dict(tokenizer(["a b", "a b"], ["c d e", "c d e"], return_tensors="pt"))
    sizes = {0: torch.export.Dim("batch", min=1, max=4096), 1: torch.export.Dim("length", min=2, max=512)}
    path = folder / "model.onnx"
    torch.onnx.export(
        classifier(),
        kwargs=example,
        f=str(path),
        dynamo=True,
        dynamic_shapes=dict.fromkeys(example, sizes),
        opset_version=18,
        external_data=False,
    )
    if not int8:
        return path
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantised = folder / "model-int8.onnx"
    quantize_dynamic(str(path), str(quantised), weight_type=QuantType.QInt8)
    return quantised


def with_onnxruntime(pairs: Pairs, batch: int, threads: int, int8: bool) -> Callable[[], object]:
    """Return a function that scores the pairs with ONNX Runtime, batches sorted by length."""
    import onnxruntime

    tokenizer = AutoTokenizer.from_pretrained(encoder_folder())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        model = export(Path(folder), int8).read_bytes()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]

    def score() -> Any:
        tokens = tokenizer(*(list(column) for column in zip(*pairs, strict=True)))
        order = np.argsort([len(ids) for ids in tokens["input_ids"]])
        scores = np.zeros(len(pairs))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            padded = tokenizer.pad({key: [tokens[key][row] for row in rows] for key in tokens}, return_tensors="np")
            inputs = {name: padded[name].astype(np.int64) for name in names}
            scores[rows] = session.run(None, inputs)[0][:, 0]
        return scores

    return score


def scorer(peer: str, pairs: Pairs, batch: int, threads: int) -> Callable[[], object]:
    """Return the function of a peer that scores the pairs."""
    if peer == "pipeline":
        return with_pipeline(pairs, batch)
    if peer.startswith("cross-encoder"):
        return with_cross_encoder(pairs, batch, torch.bfloat16 if peer.endswith("bf16") else torch.float32)
    return with_onnxruntime(pairs, batch, threads, peer.endswith("int8"))


def main() -> None:
    """Time both passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    peers = ["pipeline", "cross-encoder-fp32", "cross-encoder-bf16", "ort-fp32", "ort-int8"]
    parser.add_argument("--peer", choices=peers, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="score that many pairs only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    pairs = [row.texts for row in read_rows(options.data, "para", "dev", shuffle=0)][: options.limit]
    score = scorer(options.peer, pairs, options.batch, options.threads)
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        score()
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"program": options.peer, "pairs_per_s": round(len(pairs) / best, 1)}))


if __name__ == "__main__":
    main()
