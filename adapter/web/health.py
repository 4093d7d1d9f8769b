"""Is the service up? The only route that needs no token, and it tells nothing else."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> dict[str, str]:
    """200 while the service answers."""
    return {"status": "ok"}
