"""How far a run is, seen from outside. Pure."""

from gnomon.errors import CancelledError, GnomonError, TrainingFailedError
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as pb


def has_ended(run: pb.Run) -> bool:
    """Tell whether nothing more happens to a run unless someone asks for it."""
    if run.state == pb.Run.FINE_TUNED:
        return run.HasField("error")
    return run.state in (pb.Run.REGISTERED, pb.Run.FAILED, pb.Run.CANCELLED)


def error_of(run: pb.Run) -> GnomonError | None:
    """Return why a run ended without a version; None if it has one or goes on."""
    if not has_ended(run) or run.state == pb.Run.REGISTERED:
        return None
    if run.HasField("error"):
        return from_status(run.error)
    if run.state == pb.Run.CANCELLED:
        return CancelledError(f"The run {run.name} was cancelled. It can be resumed.", resource=run.name)
    return TrainingFailedError(f"The run {run.name} failed.", resource=run.name)
