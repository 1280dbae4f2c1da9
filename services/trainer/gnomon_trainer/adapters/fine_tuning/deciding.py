"""How a fine-tuned evaluator decides: from the logits of its rows to the rule in its bundle."""

from collections.abc import Sequence

from gnomon_trainer.adapters.fine_tuning.preparing import Prepared
from gnomon_trainer.adapters.fine_tuning.scoring import Logits
from gnomon_trainer.domain.decision_rules import DecisionRule, Labelled, rule_of
from gnomon_trainer.domain.training import TrainingPlan


def rule(
    plan: TrainingPlan, prepared: Prepared, held_out: Logits, aside: Sequence[Logits | None]
) -> DecisionRule:
    """Return the rule; `aside` are the logits of the rows set aside, those of each format."""
    return rule_of(
        plan.metric,
        plan.parameters,
        Labelled(held_out, prepared.held_out.labels),
        [
            Labelled(logits, prepared.aside.labels)
            for logits in aside
            if logits is not None and prepared.aside is not None
        ],
    )
