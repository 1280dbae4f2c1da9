"""The probe of drift, a process: reads texts from its input, writes what tells them apart to its output."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from gnomon_trainer.adapters import probe_process
from gnomon_trainer.adapters.label_probing import Features, out_of_fold, vectors_of, words_of

_LEAST = 10  # texts of each side: two in each fold
_DRAWS = 5
_SEED = 0


def drift(generated: Sequence[str], seeds: Sequence[str], base_model: str) -> dict[str, float | None]:
    """Return what `domain.diversity.Drift` holds. `base_model` is a folder, or empty."""
    texts = [(text, None) for text in (*generated, *seeds)]
    is_seed = np.repeat([False, True], [len(generated), len(seeds)])
    vectors = (
        vectors_of(texts, Path(base_model)) if base_model and all(map(len, (generated, seeds))) else None
    )
    found: dict[str, float | None] = {"auroc": _auroc(texts, is_seed, vectors)}
    if vectors is not None:
        found |= {
            "mean_distance": apart(vectors[~is_seed], vectors[is_seed]),
            "mean_distance_of_seeds": halves(vectors[is_seed]),
            "spread": spread(vectors[~is_seed]),
            "spread_of_seeds": spread(vectors[is_seed]),
        }
    return found


def _auroc(
    texts: Sequence[tuple[str, str | None]], is_seed: NDArray[np.bool_], vectors: Features | None
) -> float | None:
    """Return the mean over some draws of equally many texts of both; None where there are too few."""
    size = int(min(is_seed.sum(), (~is_seed).sum()))
    if size < _LEAST:
        return None
    draw = np.random.default_rng(_SEED)
    found = []
    for _ in range(_DRAWS):
        drawn = [draw.choice(np.flatnonzero(side), size, replace=False) for side in (~is_seed, is_seed)]
        places = np.concatenate(drawn)
        labels = is_seed[places].astype(np.int64)
        features = [words_of([texts[place] for place in places])]
        if vectors is not None:
            features.append(vectors[places])
        said = np.mean([out_of_fold(of, labels, 2)[:, 1] for of in features], axis=0)
        found.append(float(roc_auc_score(labels, said)))
    return float(np.mean(found))


def apart(one: Features, other: Features) -> float | None:
    """Return the cosine distance of two mean vectors."""
    first, second = one.mean(axis=0), other.mean(axis=0)
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return 1 - float(first @ second) / lengths if lengths else None


def halves(vectors: Features) -> float | None:
    """Return the same of two random halves, the mean of some draws."""
    if len(vectors) < 2:
        return None
    draw = np.random.default_rng(_SEED)
    found = []
    for _ in range(_DRAWS):
        places = draw.permutation(len(vectors))
        half = len(vectors) // 2
        found.append(apart(vectors[places[:half]], vectors[places[half:]]))
    told = [distance for distance in found if distance is not None]
    return float(np.mean(told)) if told else None


def spread(vectors: Features) -> float | None:
    """Return the mean cosine distance of two of these vectors, which are of length 1."""
    count = len(vectors)
    if count < 2:
        return None
    total = float((vectors.sum(axis=0) ** 2).sum())
    return 1 - (total - count) / (count * (count - 1))


def _found(job: Mapping[str, Any]) -> dict[str, float | None]:
    return drift(job["generated"], job["seeds"], job["base_model"])


if __name__ == "__main__":
    probe_process.answer(_found)
