"""Command, machine and date of a run: what every file of results says of itself."""

import datetime
import os
import platform
from pathlib import Path


def about(command):
    """Return the first entries of a file of results.

    Parameters
    ----------
    command : str
        What was run, without "python".
    """
    name, flags = processor()
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else ""
    if chosen := os.environ.get("NUMBA_CPU_NAME"):
        vectors = f"compiled for {chosen}"
    return {
        "command": command,
        "machine": name,
        "vectors": vectors,
        "cores": os.cpu_count(),
        "date": datetime.date.today().isoformat(),
    }


def processor():
    """Return name and features of the processor, as Linux tells them."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine(), []
    lines = (line.partition(":") for line in path.read_text().splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    return facts.get("model name", platform.machine()), facts.get("flags", "").split()
