"""Peer: a plain server, FastAPI with one handler around a transformers pipeline (MiniLM-L6 with a new head).

python benchmarks/peers/server.py --port 8100 [--threads 2]
"""

import argparse
from typing import Any

import torch
import uvicorn
from data import encoder_folder
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline


class Pair(BaseModel):
    """The body of a request."""

    text: str
    text_pair: str


def create_app() -> FastAPI:
    """Load the model and return the application."""
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(encoder_folder(), num_labels=1).eval()
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder())
    score = pipeline("text-classification", model=model, tokenizer=tokenizer, device=-1)
    app = FastAPI()

    @app.post("/predict")
    def predict(pair: Pair) -> Any:
        return score([{"text": pair.text, "text_pair": pair.text_pair}], function_to_apply="none")

    return app


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    uvicorn.run(create_app(), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
