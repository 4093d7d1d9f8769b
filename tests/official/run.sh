#!/usr/bin/env bash
# run.sh DIR [--fhir R4|R4B|R5] [--ig FOLDER]... [--profile URL]... [--threads N] [--ignore-references] FILE|FOLDER...
# One JSON line an error, a summary last; exit 1 when there is an error. DIR is what setup.sh built.
set -euo pipefail
dir=$(cd "$1" && pwd)
shift
exec java -Xmx2g -XX:+UseParallelGC -Duser.home="$dir/home" -cp "$dir/classes:$dir/lib/*" OfficialValidator "$@"
