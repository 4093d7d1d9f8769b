#!/usr/bin/env bash
# wheel.sh PYTHON FOLDER: builds the wheel, installs it into a clean environment, and uses it
# outside the checkout.
set -euo pipefail
python=$1
work=$(cd "$2" && pwd)

"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/dist" .
wheel=$(ls "$work"/dist/study_fhir_adapter-*.whl)
"$python" tests/packaging/wheel_content.py "$wheel"

"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel[demo]"
cd "$work"
venv/bin/study-fhir --help
venv/bin/study-fhir doctor
venv/bin/study-fhir demo
