"""A metric of whole conversations with tool calls, with `gnomon up` running in another terminal.

    python examples/sessions.py

The conversations are made here, in place of yours: a file of JSON Lines with a
column `messages`, as OpenAI's chat API writes them, and a column `label`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import gnomon

POLICY = "You help the customers of a shop. Be polite, and never promise what you cannot do. " * 8
DONE = {"cancel": "cancelled", "return": "returned", "change": "changed"}


def conversation(order: int, reached: bool) -> dict[str, Any]:
    """Return a customer's request, the tools that were called for it, and how it ended."""
    wish = list(DONE)[order % 3]
    lookup = {"id": "c1", "function": {"name": "get_order", "arguments": json.dumps({"order": order})}}
    action = {"id": "c2", "function": {"name": f"{wish}_order", "arguments": json.dumps({"order": order})}}
    found = {"order": order, "items": [{"item": n, "price": n * 3} for n in range(order % 40)]}
    ending = (
        f"Your order is {DONE[wish]}."
        if reached
        else ("I am sorry, I could not.", "Goodbye.")[order // 7 % 2]
    )
    messages = [
        {"role": "system", "content": POLICY},
        {"role": "user", "content": f"Please {wish} my order {order}."},
        {"role": "assistant", "content": None, "tool_calls": [lookup]},
        {"role": "tool", "tool_call_id": "c1", "content": json.dumps(found)},
        {"role": "assistant", "content": None, "tool_calls": [action]},
        {"role": "tool", "tool_call_id": "c2", "content": "done" if reached else "error: not allowed"},
        {"role": "assistant", "content": ending},
    ]
    return {"messages": messages, "label": reached}


def write(file: Path, orders: range) -> Path:
    rows = (conversation(order, reached=order % 2 == 0) for order in orders)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def main() -> None:
    with gnomon.Client() as client, tempfile.TemporaryDirectory() as folder:
        train = write(Path(folder) / "train.jsonl", range(1000, 1120))
        test = write(Path(folder) / "test.jsonl", range(2000, 2040))
        client.projects.create("shop")
        client.metrics.create(
            "wish-fulfilled", output_type="boolean", step="session", input_shape="whole_session"
        )
        client.datasets.upload("wish-train", train, metric="wish-fulfilled")
        client.datasets.upload("wish-test", test, metric="wish-fulfilled")
        operation = client.runs.create(
            "shop",
            metric="wish-fulfilled",
            training_set="wish-train",
            test_set="wish-test",
            allow_small=True,
            epochs=2,
        )
        run = operation.result()
        client.aliases.set("wish-fulfilled", "production", run.metric_version)
        for reached in (True, False):
            score = client.score("wish-fulfilled", messages=conversation(3000, reached)["messages"])
            print(score.metric_version, reached, score.label, f"{score.token_count} tokens")


if __name__ == "__main__":
    main()
