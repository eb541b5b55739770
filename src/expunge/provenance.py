"""Where a result comes from: time, versions, platform, digests; never a host, a user or a folder."""

import os
import platform
import sys
from datetime import datetime, timezone
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "expunge", "torch", "transformers", "accelerate", "peft", "safetensors", "tokenizers", "gguf", "numpy",
    "scipy", "pyarrow", "pydantic", "rouge-score", "datasets", "lm-eval",
)  # fmt: skip


def now() -> str:
    """UTC, to the second, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Of the packages that can change a result; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def platform_facts(device: str = "") -> dict[str, str | int]:
    """What machine it was, without saying which."""
    facts: dict[str, str | int] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    }
    return {**facts, "device": device} if device else facts


def peak_memory() -> int:
    """The most main memory that this process has held so far, in bytes."""
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts KiB


def digest_of_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the bytes, read in pieces."""
    digest = sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
