"""Who is said to have imported a bundle."""

import contextvars

from gnomon.v1 import registry_service_pb2 as rpc
from gnomon_registry.api.versions import _import_source
from gnomon_rpc.caller import Caller, set_current

REQUEST = rpc.CreateMetricVersionRequest(import_source=rpc.ImportSource(origin="the lab", importer="ann"))


def test_a_key_that_imports_is_named_whatever_it_calls_itself():
    def told():
        set_current(Caller("apiKeys/a", "a bot", frozenset({"registry:write"})))
        return _import_source(REQUEST)

    source = contextvars.copy_context().run(told)

    assert (source.origin, source.importer) == ("the lab", "apiKeys/a")


def test_without_keys_the_importer_says_who_it_is():
    assert _import_source(REQUEST).importer == "ann"
    assert _import_source(rpc.CreateMetricVersionRequest()) is None
