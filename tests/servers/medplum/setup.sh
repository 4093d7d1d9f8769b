#!/usr/bin/env bash
# setup.sh DIR: installs Medplum's FHIR router into DIR, about 110 MB. Needs node and npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cp "$here/package.json" "$here/server.mjs" "$1"
cd "$1"
npm install --silent --no-audit --no-fund --no-package-lock
