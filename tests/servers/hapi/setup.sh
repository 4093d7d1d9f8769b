#!/usr/bin/env bash
# setup.sh DIR: builds the HAPI FHIR server of this folder in DIR (needs mvn and a JDK 17; 288 MB).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cp -r "$here/pom.xml" "$here/src" "$1/"
cd "$1"
mvn -B -q package
