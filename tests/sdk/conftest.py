import pytest


@pytest.fixture(params=["async", "sync"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each test that asks for it runs with both clients."""
    return str(request.param)
