"""Start a push and follow it: the FHIR asynchronous pattern.  https://hl7.org/fhir/R4/async.html"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import NotFound

from adapter.errors import UsageError
from adapter.settings import load_study
from adapter.web.body import json_object
from adapter.web.errors import RETRY_AFTER
from adapter.web.runs import Runs


def blueprint(studies: Mapping[str, Path], runs: Runs) -> Blueprint:
    """The routes to start a run and to ask how it goes."""
    routes = Blueprint("sync", __name__)

    @routes.post("/studies/<study>/sync")
    def start(study: str) -> Response:
        """202 and the address of the run; 409 while another one is under way."""
        if study not in studies:
            raise NotFound
        run = runs.start(study, studies[study], _server(studies[study]))
        response = jsonify(run.to_json())
        response.status_code = 202
        response.headers["Content-Location"] = f"/runs/{run.id}"
        return response

    @routes.get("/runs/<id_>")
    def show(id_: str) -> Response:
        """202 while it runs; 200 and its summary when it has ended, well or not."""
        run = runs.find(id_)
        if run is None:
            raise NotFound
        response = jsonify(run.to_json())
        if run.state == "running":
            response.status_code = 202
            response.headers["X-Progress"] = run.progress()
            response.headers["Retry-After"] = str(RETRY_AFTER)
        return response

    return routes


def _server(folder: Path) -> str:
    """The server that the body names; the study's only one when it names none.

    Only names of study.yaml are taken: a caller must not choose where health data goes.
    """
    body = json_object()
    servers = load_study(folder).servers
    known = ", ".join(sorted(servers)) or "none"
    if body.keys() - {"server"}:
        raise UsageError("the body holds more than a server", hint='send {"server": "name"}')
    name = body.get("server", next(iter(servers)) if len(servers) == 1 else None)
    if name is None:
        raise UsageError("say which server", hint=f"servers of study.yaml: {known}")
    if not isinstance(name, str) or name not in servers:
        raise UsageError("study.yaml has no such server", hint=f"its servers: {known}")
    return name
