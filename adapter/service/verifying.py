"""Whether a server still holds what it acknowledged."""

from __future__ import annotations

from adapter import outbox as box
from adapter.mapping import Progress, silent
from adapter.outbox import VerifyResult
from adapter.service.outboxes import open_outbox, server_of
from adapter.study import Study


def verify(
    study: Study, server: str, *, wait: float = 60, progress: Progress = silent
) -> VerifyResult:
    """Does the server still hold what it acknowledged, and does every reference resolve?

    Raises UnavailableError when the server is not back within ``wait`` seconds.
    """
    target = server_of(study.settings.server(server))
    with open_outbox(study) as outbox:
        return box.verify(outbox, target, wait=wait, progress=progress)
