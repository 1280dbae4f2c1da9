"""A TensorRT engine of a version, built on the machine that will run it, and gated there.

An engine fits one TensorRT and one kind of GPU, so it is a cache and never an
upload. TensorRT is detected when it is asked for; no extra installs it.
"""

from gnomon.tensorrt.building import Engine, build_engine

__all__ = ["Engine", "build_engine"]
