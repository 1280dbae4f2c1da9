"""A child process that answers every call at once with nothing: what gRPC itself costs here."""

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import grpc
from benchmarks.scorer.children import serve


class _Anything(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def service(self, _: Any) -> Any:
        async def answer(_request: bytes, _context: Any) -> bytes:
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


def _address(_: dict[str, Any]) -> str:
    """Start the server in a thread of its own; return where it listens."""
    port: Future[int] = Future()

    async def main() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Anything(),))
        port.set_result(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await server.wait_for_termination()

    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    return f"127.0.0.1:{port.result(10)}"


if __name__ == "__main__":
    serve({"address": _address})
