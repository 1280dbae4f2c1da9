"""TensorRT and CUDA as they are found on this machine; the one place that imports them.

Written for TensorRT 10 and 11: a network is strongly typed, so the precision
is that of the ONNX file, and no builder flag sets it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gnomon.arrays import filled
from gnomon.errors import InvalidRequestError, VersionUnloadableError
from gnomon.optional import required
from gnomon.tensorrt.ports import Runner, Shapes
from gnomon.tokens import Tokens

_TYPICAL = (8, 128)  # rows and tokens that the engine is tuned for, within its limits
_INSTALL = "pip install tensorrt cuda-python, on a machine with an NVIDIA GPU and its driver"


class TensorRt:
    """TensorRT on the first GPU; see the port.

    Raises:
        InvalidRequestError: TensorRT, CUDA's Python package or a GPU is missing; the message says which.
    """

    def __init__(self) -> None:
        self._trt = required("tensorrt", "An engine", _INSTALL)
        self._cuda = _Cuda(required("cuda.bindings.runtime", "An engine", _INSTALL))
        self._log = self._trt.Logger(self._trt.Logger.ERROR)
        self.version = str(self._trt.__version__)
        self.architecture = self._cuda.architecture()

    def build(self, onnx: Path, shapes: Shapes) -> bytes:
        trt = self._trt
        builder = trt.Builder(self._log)
        typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # where it is not the rule
        network = builder.create_network(0 if typed is None else 1 << int(typed))
        parser = trt.OnnxParser(network, self._log)
        if not parser.parse_from_file(str(onnx)):
            raise _failed(str(parser.get_error(0)))
        config = builder.create_builder_config()
        if hasattr(trt.BuilderFlag, "TF32"):
            config.clear_flag(trt.BuilderFlag.TF32)  # fp32 is to mean fp32
        profile = builder.create_optimization_profile()
        most = (shapes.rows, shapes.tokens)
        usual = tuple(min(pair) for pair in zip(_TYPICAL, most, strict=True))
        for index in range(network.num_inputs):
            profile.set_shape(network.get_input(index).name, (1, 1), usual, most)
        config.add_optimization_profile(profile)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise _failed("it gives no reason")
        return bytes(plan)

    def open(self, engine: Path) -> Runner:
        return _Runner(self._trt, self._cuda, self._log, engine.read_bytes())


class _Runner:
    """One execution context. Not for several threads."""

    def __init__(self, trt: Any, cuda: "_Cuda", log: Any, content: bytes) -> None:
        self._cuda = cuda
        self._runtime = trt.Runtime(log)
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise _failed("the engine that it built cannot be opened")
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        self._types: Mapping[str, Any] = {n: trt.nptype(self._engine.get_tensor_dtype(n)) for n in names}
        is_input = {n: self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT for n in names}
        self._inputs = [name for name in names if is_input[name]]
        (self._output,) = (name for name in names if not is_input[name])

    def logits(self, rows: Sequence[Tokens]) -> list[list[float]]:
        import numpy

        width = max(map(len, rows))
        arrays = {name: filled(name, rows, width, self._types[name]) for name in self._inputs}
        for name, array in arrays.items():
            self._context.set_input_shape(name, array.shape)
        shape = tuple(self._context.get_tensor_shape(self._output))
        arrays[self._output] = numpy.empty(shape, self._types[self._output])
        addresses: dict[str, int] = {}
        try:
            for name, array in arrays.items():
                addresses[name] = self._cuda.allocate(array.nbytes)
                self._context.set_tensor_address(name, addresses[name])
            for name in self._inputs:
                self._cuda.to_device(addresses[name], arrays[name])
            if not self._context.execute_async_v3(0):
                raise _failed("the engine that it built does not run")
            self._cuda.wait()
            self._cuda.to_host(arrays[self._output], addresses[self._output])
        finally:
            for address in addresses.values():
                self._cuda.free(address)
        found: list[list[float]] = arrays[self._output].astype(numpy.float32).tolist()
        return found

    def close(self) -> None:
        del self._context, self._engine, self._runtime


class _Cuda:
    """The few calls of CUDA's runtime that an engine needs; each answers with its status first."""

    def __init__(self, runtime: Any) -> None:
        self._cuda = runtime

    def architecture(self) -> str:
        """Return that of the first GPU, such as `sm_90`."""
        try:
            if not self._called("cudaGetDeviceCount"):
                raise VersionUnloadableError("there is none")
            properties = self._called("cudaGetDeviceProperties", 0)
        except VersionUnloadableError as error:
            raise InvalidRequestError(
                f"An engine is built on the GPU that runs it, and none can be used here: {error.message}. "
                "Run this on a machine with an NVIDIA GPU and its driver."
            ) from error
        return f"sm_{properties.major}{properties.minor}"

    def allocate(self, size_bytes: int) -> int:
        return int(self._called("cudaMalloc", size_bytes))

    def to_device(self, address: int, array: Any) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._called("cudaMemcpy", address, array.ctypes.data, array.nbytes, kind)

    def to_host(self, array: Any, address: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._called("cudaMemcpy", array.ctypes.data, address, array.nbytes, kind)

    def wait(self) -> None:
        self._called("cudaDeviceSynchronize")

    def free(self, address: int) -> None:
        self._called("cudaFree", address)

    def _called(self, name: str, *arguments: Any) -> Any:
        status, *found = getattr(self._cuda, name)(*arguments)
        if status != self._cuda.cudaError_t.cudaSuccess:
            raise VersionUnloadableError(f"{name} fails with {getattr(status, 'name', status)}")
        return found[0] if found else None


def _failed(reason: str) -> VersionUnloadableError:
    return VersionUnloadableError(f"TensorRT cannot make an engine of this version: {reason}.")
