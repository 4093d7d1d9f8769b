"""Start a push and follow it: the FHIR asynchronous pattern.  https://hl7.org/fhir/R4/async.html"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import NotFound

from adapter.errors import UsageError
from adapter.settings import load_study
from adapter.web import auth
from adapter.web.body import json_object
from adapter.web.errors import RETRY_AFTER
from adapter.web.idempotency import HEADER, Answers
from adapter.web.runs import Runs


def blueprint(studies: Mapping[str, Path], runs: Runs, answers: Answers) -> Blueprint:
    """The routes to start a run and to ask how it goes.

    What the caller's token does not open is answered as what is not there.
    """
    routes = Blueprint("sync", __name__)

    @routes.post("/studies/<study>/sync")
    def start(study: str) -> Response:
        """202 and the address of the run; 409 while another one is under way."""
        if study not in studies or not auth.opens(study):
            raise NotFound
        folder = studies[study]
        scope = auth.caller() + study.encode()
        key, body = request.headers.get(HEADER), request.get_data()
        return answers.once(scope, key, body, lambda: _started(runs, study, folder))

    @routes.get("/runs/<id_>")
    def show(id_: str) -> Response:
        """202 while it runs; 200 and its summary when it has ended, well or not."""
        run = runs.find(id_)
        if run is None or not auth.opens(run.study):
            raise NotFound
        response = jsonify(run.to_json())
        if run.state == "running":
            response.status_code = 202
            response.headers["X-Progress"] = run.progress()
            response.headers["Retry-After"] = str(RETRY_AFTER)
        return response

    return routes


def _started(runs: Runs, study: str, folder: Path) -> Response:
    run = runs.start(study, folder, _server(folder))
    response = jsonify(run.to_json())
    response.status_code = 202
    response.headers["Content-Location"] = f"/runs/{run.id}"
    return response


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
