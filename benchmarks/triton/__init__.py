"""An exported evaluator on a real Triton server, beside the same in this process."""
