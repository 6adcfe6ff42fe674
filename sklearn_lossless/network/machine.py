"""The machine, for bug reports."""

__all__ = ["machine"]


def machine() -> dict[str, str]:
    """Return processor, vectors and cores, in words."""
    from ._engine.machine import machine

    return machine()
