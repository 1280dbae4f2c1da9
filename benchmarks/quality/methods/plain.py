"""The ten-line fine-tune that every tutorial shows: transformers' own classification head and trainer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from benchmarks.quality import clocks
from benchmarks.quality.task import Answer, Task, base_model, tokens
from scipy.special import softmax
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from gnomon.rendering import Rendered

_EPOCHS = 3


def answer(task: Task) -> Answer:
    began = clocks.now()
    training = _examples(task.training, task.training_labels.tolist())
    model = AutoModelForSequenceClassification.from_pretrained(base_model(), num_labels=len(task.classes))
    arguments = TrainingArguments(
        output_dir=str(task.work),
        learning_rate=5e-5,
        num_train_epochs=_EPOCHS,
        per_device_train_batch_size=16,
        per_device_eval_batch_size=16,
        seed=task.seed,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    collator = DataCollatorWithPadding(AutoTokenizer.from_pretrained(base_model()))
    trainer = Trainer(model=model, args=arguments, train_dataset=training, data_collator=collator)
    ready = clocks.now()
    trainer.train()
    fitted = clocks.now()
    logits = trainer.predict(_examples(task.test)).predictions
    found = softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return Answer(found, fitted - began, _EPOCHS * len(training), fitted - ready)


def _examples(texts: Sequence[Rendered], labels: Sequence[int] = ()) -> list[dict[str, Any]]:
    rows = [
        {"input_ids": list(row.ids), "token_type_ids": list(row.type_ids), "attention_mask": [1] * len(row)}
        for row in tokens(texts)
    ]
    return [row | {"labels": label} for row, label in zip(rows, labels, strict=True)] if labels else rows
